import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rabbitBroker } from "../../src/brokers/rabbitmq.ts";
import { addressOf, parseUrl, rabbitSettings } from "../../src/brokers/rabbitmq-settings.ts";

describe("settings of RabbitMQ", () => {
  it("are an address, of which the path is the virtual host", () => {
    const node = { host: "rabbit", port: 5672 };
    const login = { username: "u", password: "p@:/" };
    for (const [text, expected] of [
      ["amqp://rabbit", { node, tls: false, vhost: "/" }],
      ["amqp://rabbit/", { node, tls: false, vhost: "/" }],
      ["amqp://rabbit/%2F", { node, tls: false, vhost: "/" }],
      ["amqp://rabbit//", { node, tls: false, vhost: "/" }],
      ["amqp://rabbit//shop", { node, tls: false, vhost: "/shop" }],
      ["amqp://rabbit/a%2Fb", { node, tls: false, vhost: "a/b" }],
      ["amqps://u:p%40%3A%2F@[::1]:7/shop", { node: { host: "::1", port: 7 }, tls: true, vhost: "shop", login }],
      ["amqps://rabbit", { node: { host: "rabbit", port: 5671 }, tls: true, vhost: "/" }],
      ["amqp://rabbit/a/b", undefined],
      ["amqp://rabbit?heartbeat=0", undefined],
      ["amqp://rabbit/%zz", undefined],
      ["http://rabbit", undefined],
    ] as const)
      assert.deepEqual(parseUrl(text), expected, text);
  });

  it("that do not fit together are refused with the way out", () => {
    const refused = (settings: unknown, message: RegExp) => {
      const { error } = rabbitSettings.safeParse(settings);
      assert.match(error?.issues.map((issue) => issue.message).join("; ") ?? "", message, JSON.stringify(settings));
    };
    const passwordFrom = { env: "P" };
    refused({}, /exactly one of `url`, `urlFrom`; found none/);
    refused({ url: "amqp://a", urlFrom: { env: "U" } }, /found `url` and `urlFrom`/);
    refused({ url: "amqp://u:p@a" }, /must not carry a password/);
    refused({ url: "amqp://a", management: { url: "http://u:p@a" } }, /must not carry a password/);
    refused({ url: "amqp://a/b/c" }, /must be amqp:/);
    refused({ url: "amqp://a", tls: {} }, /must begin with amqps:/);
    refused({ url: "amqp://a", username: "u" }, /must come with `passwordFrom`/);
    refused({ url: "amqp://a", passwordFrom }, /must come with `username`/);
    refused({ url: "amqp://a", management: { username: "u" } }, /must come with `passwordFrom`/);
    refused({ url: "amqps://a", tls: { certFile: "x" } }, /must have both/);
    assert.equal(rabbitSettings.safeParse({ url: "amqp://a", nodes: ["b:5672"], username: "u", passwordFrom }).success, true);
  });

  it("say who logs in: the user given, else the address', else guest, and with a certificate nobody", () => {
    const login = (change: object) => addressOf({ ...rabbitSettings.parse({ url: "amqps://a", ...change }) } as never).login;
    assert.deepEqual(login({}), { username: "guest", password: "guest" });
    assert.equal(login({ tls: { certFile: "c", keyFile: "k" } }), undefined);
    const settings = { ...rabbitSettings.parse({ url: "amqp://a" }), url: "amqp://u:p@a", username: "v", password: "w" };
    assert.deepEqual(addressOf(settings as never).login, { username: "v", password: "w" });
    assert.throws(
      () => addressOf({ ...settings, url: "nonsense://u:geheim@a" } as never),
      (error) => !String(error).includes("geheim"),
    );
  });

  it("are described without a login", () => {
    const describe = (settings: unknown) => rabbitBroker.address(settings as never);
    assert.equal(describe({ url: "amqp://u:p@rabbit/shop" }), "amqp://rabbit:5672, virtual host shop");
    assert.equal(describe({ urlFrom: { env: "RABBIT" } }), "rabbitmq at the address in RABBIT");
  });
});
