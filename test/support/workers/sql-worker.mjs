// A worker that takes jobs out of a table of PostgreSQL and accounts for every one. Environment: DATABASE_URL, QUEUE,
// WORKTIDE_WORKER_ID, WORKTIDE_TEST_JOURNAL (file that gets one JSON line per begin and end). The table: jobs (id, queue, holder, data).
// A job's data: { until: a file whose coming it waits for, ms: how long it takes from then on }.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

const env = process.env;
const name = env.WORKTIDE_WORKER_ID ?? String(process.pid);
const done = new Set();
let inHand;
let stopping = false;
let client;

/** O_APPEND: one write a line, so that lines of many processes never mix. */
function note(kind, job) {
  const line = { kind, t: String(process.hrtime.bigint()), job, worker: name, pid: process.pid };
  appendFileSync(env.WORKTIDE_TEST_JOURNAL, `${JSON.stringify(line)}\n`);
}

async function query(text, values) {
  if (client === undefined) {
    const own = new pg.Client({ connectionString: env.DATABASE_URL });
    own.on("error", () => {
      if (client === own) client = undefined;
    });
    await own.connect();
    client = own;
  }
  return (await client.query(text, values)).rows;
}

/** The database may be away: then again, until it is back. */
async function surely(text, values) {
  for (;;) {
    try {
      return await query(text, values);
    } catch {
      client = undefined;
      await sleep(100);
    }
  }
}

const claim = `UPDATE jobs SET holder = $1 WHERE id = (SELECT id FROM jobs WHERE queue = $2 AND holder IS NULL
  ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1) RETURNING id, data`;

process.once("SIGTERM", () => {
  stopping = true;
  if (inHand === undefined && client === undefined) process.exit(0);
});
// What is still in hand when the process ends was cut off. (After SIGKILL nobody can say so.)
process.on("exit", () => {
  if (inHand !== undefined) note("job.killed", inHand);
});

while (!stopping) {
  // One that it got and never heard of comes first: the answer was lost on its way.
  const [own] = await surely("SELECT id, data FROM jobs WHERE holder = $1 ORDER BY id", [name]);
  const [job] = own === undefined && !stopping ? await surely(claim, [name, env.QUEUE]) : [own];
  if (job === undefined) {
    await sleep(50);
    continue;
  }
  if (!done.has(job.id)) {
    inHand = job.id;
    note("job.start", job.id);
    while (job.data.until && !existsSync(job.data.until)) await sleep(20);
    await sleep(job.data.ms ?? 0);
    inHand = undefined;
    note("job.end", job.id);
    done.add(job.id);
  }
  await surely("DELETE FROM jobs WHERE id = $1", [job.id]);
}
process.exit(0);
