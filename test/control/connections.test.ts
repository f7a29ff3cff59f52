import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseObject } from "../../src/api/object.ts";
import type { QueueConnection } from "../../src/api/resolve.ts";
import { brokers } from "../../src/brokers/brokers.ts";
import { connectionSource, type SourceHouse } from "../../src/control/connections.ts";
import { BrokerError } from "../../src/core/contract.ts";
import { api, clusterConnection, connection, type Draft, worker } from "../api/objects.ts";

const signal = new AbortController().signal;

const house = (...documents: readonly Draft[]): SourceHouse => {
  const connections = documents.map((one) => parseObject(one, api).connection ?? assert.fail("a connection with a fault"));
  return {
    connections: new Map(connections.map((each: QueueConnection) => [each.key, each])),
    brokers: new Map(brokers.map((broker) => [broker.type, broker])),
    readers: { env: () => undefined, file: async () => undefined, key: async (place) => Object.values(place).join("/") },
  };
};

const inNamespace = (document: Draft, namespace: string) => {
  document.metadata.namespace = namespace;
  return document;
};

/** The first trigger of a worker in this namespace. */
const trigger = (namespace: string, connectsBy: object = { connection: "main" }) => {
  const document = inNamespace(worker(), namespace);
  const { connection: _, ...rest } = document.spec.triggers[0];
  document.spec.triggers = [{ ...rest, ...connectsBy }];
  return parseObject(document, api).worker?.triggers[0] ?? assert.fail("a worker with a fault");
};

const passwordOf = async (source: ReturnType<typeof connectionSource>) => ((await source.settings(signal)) as Draft).password;

async function refusal(source: ReturnType<typeof connectionSource>): Promise<string> {
  try {
    await source.settings(signal);
  } catch (error) {
    return error instanceof BrokerError ? error.problem.message : assert.fail(String(error));
  }
  return assert.fail("it was let in");
}

describe("the connection of a trigger", () => {
  it("is shared by those that have the same address and the same credential", () => {
    const one = house(inNamespace(connection(), "shop"));
    const [first, second] = [trigger("shop"), trigger("shop")].map((each) => connectionSource(each, one));
    assert.equal(first, second);
  });

  it("is never shared with another namespace whose Secret has the same name", async () => {
    const all = house(inNamespace(connection(), "shop"), inNamespace(connection(), "bank"));
    const [shop, bank] = [connectionSource(trigger("shop"), all), connectionSource(trigger("bank"), all)];
    assert.notEqual(shop.key, bank.key);
    assert.equal(await passwordOf(shop), "Secret/shop/redis.shop/password");
    assert.equal(await passwordOf(bank), "Secret/bank/redis.shop/password");
  });

  it("is shared over namespaces where there is no credential", () => {
    const bare = () => {
      const document = connection();
      document.spec.redis = { url: "redis://redis.infra:6379" };
      return document;
    };
    const all = house(inNamespace(bare(), "shop"), inNamespace(bare(), "bank"));
    assert.equal(connectionSource(trigger("shop"), all).key, connectionSource(trigger("bank"), all).key);
  });

  it("may be one of the whole cluster, with Secrets of the one namespace that it names", async () => {
    const document = clusterConnection();
    document.spec.redis.passwordFrom = { secretKeyRef: { name: "redis", key: "password" } };
    const all = house(document);
    const by = { clusterConnection: "shared" };
    const [shop, team] = [connectionSource(trigger("shop", by), all), connectionSource(trigger("team-a", by), all)];
    assert.equal(shop, team);
    assert.deepEqual([shop.name, await passwordOf(shop)], ["shared", "Secret/infra/redis/password"]);
    const stranger = connectionSource(trigger("bank", by), all);
    assert.equal(await refusal(stranger), "ClusterQueueConnection shared does not let namespace 'bank' use it");
    assert.notEqual(stranger.key, shop.key);
  });

  it("that is not there is told of, and another namespace's does not take its place", async () => {
    const all = house(inNamespace(connection(), "shop"), clusterConnection());
    assert.equal(
      await refusal(connectionSource(trigger("bank"), all)),
      "there is no QueueConnection bank/main, or none without errors",
    );
    assert.match(
      await refusal(connectionSource(trigger("shop", { clusterConnection: "main" }), all)),
      /^there is no ClusterQueueConnection main, or none without errors$/,
    );
    assert.match(
      await refusal(connectionSource(trigger("shop", { clusterConnection: "main" }), { ...all, namespaced: true })),
      /^ClusterQueueConnection main cannot be seen: this controller watches some namespaces only/,
    );
  });
});
