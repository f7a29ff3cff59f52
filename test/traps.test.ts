import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

/** A test: its file below `test/`, and what its title contains. */
type Where = readonly [file: string, title: string];

const rabbit = "scalers/rabbitmq-queues";
const management = "brokers/rabbitmq-management";
const onRabbit = "slow/celery-rabbitmq-workers";
const counts = "scalers/celery-counts";
const celery = "slow/celery-workers";
const jobs = "scalers/bullmq-counts";
const workers = "scalers/bullmq-workers";
const plain = "scalers/redis";
const numbers = "brokers/pubsub-numbers";
const pubsub = "brokers/pubsub";
const tasks = "scalers/airflow";
const columns = "scalers/sql-readings";
const scraped = "scalers/prometheus-traps";
const page = "scalers/http-traps";
const both = "conformance/scaler";

/** What a naive scaler takes for what it is not, queue by queue, and the test that it would fail. */
const traps: Readonly<Record<string, Readonly<Record<string, Where>>>> = {
  RabbitMQ: {
    "AMQP counts what is ready only: zero while all messages are in hand": [
      rabbit,
      "that are empty while all their messages are in hand",
    ],
    "of a queue that is missing the question closes the channel": [rabbit, "that are missing are a problem of theirs alone"],
    "statistics are seconds old, those of quorum queues above all": [rabbit, "of type quorum tell at once what is ready"],
    "statistics are absent after a start, and for a new queue": [management, "that ${what} is no empty queue"],
    "counts may be negative, or no whole numbers": [management, "that ${what} is no empty queue"],
    "statistics after a restart": [
      "brokers/rabbitmq",
      "after a restart does not take statistics that are not there for idleness",
    ],
    "a stream keeps what was read": [rabbit, "that are streams keep what was read"],
    "a stream's lag is what its consumers tell": [rabbit, "that are streams tell how far their consumers are behind"],
    "who holds what is known by connection, not by queue": [rabbit, "name who holds what"],
    "without a tag a user is shown nothing, and not told so": ["brokers/rabbitmq", "of a user without a tag sees what is ready"],
    "the age is that of publishers who set it": [rabbit, "tell their age where publishers set the time"],
    "what delays, replies or steers is ready, and no work": [rabbit, "in which nobody's jobs wait match no pattern"],
    "a blocked connection stands still": ["brokers/rabbitmq", "goes on reading while the server blocks publishers"],
    "a quorum queue without leader is empty to AMQP": [
      "slow/faults-rabbitmq-cluster",
      "tells of a quorum queue without a leader or a majority",
    ],
    "a leader without majority tells its last number": [management, "that says a quorum queue has lost its majority"],
    "consumer_timeout gives a job to somebody else": ["slow/faults-rabbitmq", "RabbitMQ takes a job that lasts too long"],
  },
  "Celery on RabbitMQ": {
    "a running task is acknowledged, and in no count": [onRabbit, "running tasks are acknowledged and in no count of RabbitMQ"],
    "ready and unacknowledged are zero while the last task runs": [onRabbit, "a queue that is empty while its last task runs"],
    "tasks with an ETA are unacknowledged for hours": [onRabbit, "tasks with a distant ETA that a worker holds"],
    "and come back when their worker ends": [onRabbit, "tasks with an ETA that a stopped worker gave back"],
    "native delayed delivery: ready, in queues of nobody": [onRabbit, "native delayed delivery"],
    "a worker says goodbye before its last task ends": [onRabbit, "a worker that is told to stop owns its task"],
    "heartbeats may be off": [onRabbit, "workers without heartbeats are asked"],
    "fetched ahead is not running": [onRabbit, "tasks that are acknowledged late are running ones"],
  },
  "Celery on Redis": {
    "each priority is a list of its own": [counts, "every priority counts"],
    "a running task stands in no key": [celery, "running tasks stand in no key"],
    "unacked is shared by all queues": [celery, "unacked is shared"],
    "tasks with an ETA hide in unacked": [celery, "tasks with a distant ETA that a worker holds"],
    "and flap back into the list": [celery, "tasks with an ETA that a stopped worker gave back do not wait"],
    "a killed worker stays in the binding": [counts, "a worker that was killed leaves its place in the binding"],
    "a worker says goodbye before its last task ends": [celery, "a worker that is told to stop owns its task"],
    "heartbeats may be off": [celery, "workers without heartbeats are asked"],
    "a silent worker is at work (pool solo)": [celery, "a worker that is silent while it works"],
    "a message has no time": [counts, "the age is what the producer's header says"],
    "a prefix is part of every key and channel": [counts, "a key prefix leads to other lists"],
    "nobody heard is not nobody there": [counts, "without any worker running is 0, but only once a beat"],
    "redelivery counts one task twice": ["slow/faults-celery", "tasks that last longer than the visibility timeout"],
    "prefetch hoards": ["slow/faults-celery", "one worker hoards all tasks"],
  },
  BullMQ: {
    "paused jobs stay in wait since version 6": [jobs, "a paused queue keeps its jobs in wait"],
    "before it they were renamed": [jobs, "the paused list of versions before 6"],
    "only workers promote what is due": [jobs, "delayed jobs that are due wait"],
    "prioritized jobs are another key": [jobs, "prioritized jobs wait too"],
    "priorities are no order of age": [jobs, "is found behind jobs of a higher priority"],
    "the age counts from readiness": [jobs, "counts from the moment it was ready"],
    "retries count anew": [jobs, "of a retried job counts from its last attempt"],
    "a global concurrency is a ceiling": [jobs, "a global concurrency is a ceiling"],
    "a rate limit is one too": [jobs, "a rate limit that is used up"],
    "a marker is no job": [jobs, "a marker of an older version"],
    "parents wait for their children": [jobs, "a parent that waits for its children"],
    "its own getCounts writes": [jobs, "reading writes nothing"],
    "locks lapse": [workers, "the job of a worker that was killed runs on until its lock lapses"],
    "or are renewed late": [workers, "a worker that is too busy to renew its lock"],
    "nameless workers cannot be told apart": [workers, "a worker without a name is counted in running"],
    "CLIENT LIST may be forbidden": ["scalers/rights", "without CLIENT LIST the jobs of BullMQ are counted"],
  },
  Redis: {
    "XLEN includes what is done": [plain, "sees nothing waiting in a stream that keeps its entries"],
    "lag becomes nil": [plain, "counts what a group has not read where Redis lost the count"],
    "a missing stream is no empty one": [plain, "names the stream or the group that does not exist"],
    "LPOP leaves nothing behind of what runs": [plain, "does not take a list's length for what runs"],
    "scores are seconds or ms": [plain, "reads scores that are times in ms too"],
    "groups push nothing": ["slow/faults-readings", "what a group of a stream takes, finishes and forgets"],
    "pushes die with the connection": ["faults/pushes", "after our connection was killed, pushes are armed again"],
    "SWAPDB pushes nothing": ["faults/pushes", "a database that is swapped pushes nothing"],
    "a flush is a false zero": ["faults/false-zero", "a flush: the queue is empty indeed"],
    "an empty replica is one": ["faults/false-zero", "the server became a replica of an empty one"],
  },
  "Pub/Sub": {
    "no data is not zero": [numbers, "is not zero where there is no series"],
    "the number is minutes old": [numbers, "is as old as its points"],
    "a delta of a static backlog is zero": [numbers, "is a static backlog for as long as it is one"],
    "what is in hand counts as waiting": [numbers, "has no age while nothing waits"],
    "a region's gap is no zero": [numbers, "counts a region that falls silent as it was"],
    "one call for each subscription uses up the quota": [numbers, "costs two lists for a thousand subscriptions"],
    "a late zero puts to sleep what was just woken": [pubsub, "stay counted until Cloud Monitoring counts them"],
    "Cloud Monitoring remembers subscriptions that are gone": [pubsub, "that are missing are a problem"],
    "pushed ones are nobody's queue": [pubsub, "that push their messages"],
    "the emulator counts nothing": [pubsub, "have no backlog without Cloud Monitoring"],
    "pulling from the workers' own subscription changes it": [
      pubsub,
      "wake by a probe, which counts what nobody else counts yet",
    ],
    "a crash leaves probes behind": [pubsub, "have what a crash left behind removed"],
    "Google deletes what nobody listens to": [pubsub, "are looked at for settings"],
  },
  Airflow: {
    "one count for all queues grows every pool for all": [tasks, "count for the queues of the pool only"],
    "CeleryKubernetesExecutor tells its tasks by their queue alone": [tasks, "CeleryKubernetesExecutor runs a queue of its own"],
    "an executor is a class, a path, an alias or nobody": [tasks, "belong to an executor by class, path or alias"],
    "before 2.10 there is no column for it": [tasks, "airflow, of 2.9 on MariaDB"],
    "scheduled and deferred tasks need no worker": [tasks, "count where they are queued or occupy a slot, and nowhere else"],
    "running and queued are spread: any pod may be at work": [
      tasks,
      "name who is busy; the others are idle only once none waits",
    ],
    "a task that runs has no host yet": [tasks, "that run nowhere yet are claimed by nobody"],
    "triggers of a triggerer that died wait": [tasks, "have triggers while they are deferred"],
    "MySQL shows times in the zone of whoever asks": [tasks, "whatever the server's own zone is"],
    "both triggers see one task": ["core/busy", "counts once what two triggers see"],
    "no burst and no long task may be lost": ["slow/airflow", "keeps the one with the long task alone, and ends with none"],
  },
  SQL: {
    "no row, NULL and text are no zero": [columns, "is unknown where it is no number: never zero"],
    "GROUP BY has no row for an empty queue": [columns, "one that is missing is unknown, or empty where the trigger says so"],
    "a word in the query is no column": [columns, "words in the query's text are no proof that nobody is busy"],
    "numbers come as text": [columns, "as a number or as the text of a large or exact one"],
    "ages may be from the future": [columns, "has an age only while something waits, and none from the future"],
    "a standby is behind": ["brokers/postgresql", "is not read while it is a standby"],
    "a transaction sees nothing new": ["brokers/mysql", "never passes old rows off as new ones"],
    "a query may write": ["brokers/postgresql", "lets no query write, whatever it tries"],
    "a slow query holds up all": ["brokers/postgresql", "ends a query that takes too long, and the quick ones get their answers"],
    "a frozen backend is never given up": ["slow/faults-postgresql", "one backend is frozen"],
    "the login of another address lies in the environment": ["brokers/postgresql", "takes none from its surroundings"],
  },
  Prometheus: {
    "an empty result is not zero": [scraped, "that is none is not known: no series"],
    "nor is vector(0) for want of a series": [scraped, "that the query makes up where no series stands behind it"],
    "a number has the time of its question": [scraped, "is as old as the oldest sample that it is made from"],
    "a part of the sources is a part of the sum": ["brokers/web", "of many parts is not known where one of them does not answer"],
    "an exporter may be gone": [scraped, "ends with its exporter, and is back with it"],
  },
  HTTP: {
    "a login page is no number": [page, "is a login page"],
    "a redirect would carry the login elsewhere": [page, "that sends us elsewhere is not followed"],
    "so would dots in a path": [page, "is looked for below the connection's address only"],
    "caches answer with what was": [page, "that a cache has kept is as old as that"],
    "the service's clock is not ours": [page, "says itself when its numbers were taken, by its own clock"],
    "a page that is cut off looks whole": [page, "in Prometheus' text format is read whole or not at all"],
  },
  "scalers in other processes": {
    "active is at least one, inactive none": ["brokers/external", "active counts as one job at least, inactive as none"],
    "UNAVAILABLE is not zero": ["brokers/external", "that refuses or cannot tells nothing"],
    "a half-open connection is taken by the next client": [
      "brokers/external",
      "lost connections are not those of the next session",
    ],
    "a stream that breaks is silent": ["brokers/external", "whose stream breaks is listened to again"],
    "a trigger may name another place for the credential": ["brokers/external", "a trigger turns no credential elsewhere"],
  },
  schedules: {
    "times are skipped, or come twice": ["scalers/cron", "what starts in the gap starts at its end"],
    "several controllers act several times": ["faults/schedules", "of two controllers the leader alone acts, once"],
  },
  all: {
    "an error is no zero": [both, "fails while the service is down"],
    "a missing queue is not an empty one": [both, "says what a queue is that was never made"],
    "paused is no demand": [both, "knows that nobody can take jobs from a paused queue"],
    "delayed is not waiting": [both, "tells delayed jobs from waiting ones"],
    "statistics are older than their answer": [both, "is honest about when the numbers were taken"],
  },
};

test("Every trap that is known of a queue has a test", () => {
  const missing = Object.values(traps)
    .flatMap((some) => Object.entries(some))
    .filter(
      ([, [file, title]]) =>
        !readFileSync(join(import.meta.dirname, `${file}${file === both ? "" : ".test"}.ts`), "utf8").includes(title),
    );
  assert.deepEqual(missing, []);
});
