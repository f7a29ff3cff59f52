import { once } from "node:events";
import { connect } from "node:net";

/** Keys of RabbitMQ's stream protocol (PROTOCOL.adoc of the plugin `rabbitmq_stream`, version 1). */
const key = { subscribe: 0x07, properties: 0x11, handshake: 0x12, authenticate: 0x13, tune: 0x14, open: 0x15 } as const;

const number = (size: 1 | 2 | 4, value: number) => {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
};
const text = (value: string) => Buffer.concat([number(2, Buffer.byteLength(value)), Buffer.from(value)]);

/** A consumer of a stream, from its beginning, that takes so many chunks, and stays as far behind as it is then. */
export async function streamConsumer(port: number, stream: string, chunks: number): Promise<AsyncDisposable> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  const waiting = new Map<number, (frame: Buffer) => void>();
  let rest = Buffer.alloc(0);
  socket.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const frame = rest.subarray(4, 4 + rest.readUInt32BE(0));
      rest = rest.subarray(4 + frame.length);
      waiting.get(frame.readUInt16BE(0) & 0x7fff)?.(frame);
    }
  });
  const send = (command: number, ...parts: readonly Buffer[]) => {
    const frame = Buffer.concat([number(2, command), number(2, 1), ...parts]);
    socket.write(Buffer.concat([number(4, frame.length), frame]));
  };
  const answer = (command: number) => new Promise<Buffer>((resolve) => waiting.set(command, resolve));
  const ask = async (command: number, ...parts: readonly Buffer[]) => {
    const answered = answer(command);
    send(command, number(4, 1), ...parts);
    const frame = await answered;
    if (frame.readUInt16BE(8) !== 1) throw new Error(`stream command ${command} was answered with ${frame.readUInt16BE(8)}`);
  };
  await ask(key.properties, number(4, 0));
  await ask(key.handshake);
  const tuned = answer(key.tune);
  const login = Buffer.from("\0guest\0guest");
  await ask(key.authenticate, text("PLAIN"), number(4, login.length), login);
  send(key.tune, (await tuned).subarray(4));
  await ask(key.open, text("/"));
  // Subscription 0, from the first offset (type 1).
  await ask(key.subscribe, number(1, 0), text(stream), number(2, 1), number(2, chunks));
  return {
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
}
