import type { Fault } from "./elsewhere.ts";

/** What becomes of new connections, or of answers half-way, with any service that is dialled at 127.0.0.1 through the proxy. */
export const dialFaults: readonly Fault[] = [
  {
    name: "a handshake that never ends",
    sees: "timeout",
    async begin({ proxy }) {
      await proxy.set({ kind: "mute" });
      proxy.cut();
    },
    end: ({ proxy }) => proxy.set({ kind: "pass" }),
  },
  {
    name: "cut off in the midst of an answer",
    sees: "unreachable",
    begin: ({ proxy }) => proxy.set({ kind: "truncate", bytes: 30 }),
    end: ({ proxy }) => proxy.set({ kind: "pass" }),
  },
  {
    name: "a name that nobody knows",
    sees: "unreachable",
    begin: (stage) => stage.write(stage.text().replace(`127.0.0.1:${stage.proxy.port}`, `${nobody}:${stage.proxy.port}`)),
    end: (stage) => stage.write(stage.text().replace(`${nobody}:${stage.proxy.port}`, `127.0.0.1:${stage.proxy.port}`)),
  },
];

const nobody = "no-such-host.invalid";
