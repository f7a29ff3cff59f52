import { hrtime } from "node:process";

/** CLOCK_MONOTONIC in ms: the time of every reading, comparable between the processes of one machine. */
export const monotonicMs = (): number => Number(hrtime.bigint()) / 1e6;
