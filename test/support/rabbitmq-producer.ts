import { type Channel, type ChannelModel, type ConfirmChannel, connect } from "amqplib";

/** What a producer and its consumers do in a test, on one connection each. */
export interface RabbitClient {
  readonly model: ChannelModel;
  make(queue: string, options?: Readonly<Record<string, unknown>>): Promise<void>;
  put(queue: string, messages: number, options?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Consumes so many and does not acknowledge them; resolves when it has them. Closing the channel gives them back. */
  take(queue: string, messages: number): Promise<Channel>;
  destroy(): void;
}

/** `name` is what the connection calls itself. */
export async function rabbitClient(url: string, name?: string): Promise<RabbitClient> {
  const model = await connect(url, name === undefined ? {} : { clientProperties: { connection_name: name } });
  model.on("error", () => {});
  const publisher: ConfirmChannel = await model.createConfirmChannel();
  publisher.on("error", () => {});
  return {
    model,
    async make(queue, options = {}) {
      await publisher.assertQueue(queue, { durable: true, ...options });
    },
    async put(queue, messages, options = {}) {
      for (let i = 0; i < messages; i++) publisher.sendToQueue(queue, Buffer.from(`job ${i}`), options);
      await publisher.waitForConfirms();
    },
    async take(queue, messages) {
      const channel = await model.createChannel();
      channel.on("error", () => {});
      await channel.prefetch(messages);
      const { promise, resolve } = Promise.withResolvers<void>();
      let got = 0;
      await channel.consume(queue, () => void (++got === messages && resolve()));
      await promise;
      return channel;
    },
    destroy() {
      void model.close().catch(() => {});
    },
  };
}
