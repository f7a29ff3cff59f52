import { execFile } from "node:child_process";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../src/services/python.ts";

const run = promisify(execFile);
const release = "1.85.1";
const requirements = [`grpcio==${release}`, `grpcio-tools==${release}`];

/** A Python with gRPC, in a venv in the cache folder, made at the first use; or why there is none. Never throws. */
export async function findGrpcPython(): Promise<Readonly<{ python: string } | { missing: string }>> {
  const venv = join(cacheFolder(process.env), `grpcio-${release}`);
  const python = join(venv, "bin", "python");
  const works = () =>
    run(python, ["-c", "import grpc, grpc_tools"]).then(
      () => true,
      () => false,
    );
  if (await works()) return { python };
  const fresh = `${venv}.${process.pid}`;
  try {
    console.error(`installing ${requirements.join(" and ")} into ${venv} (once, about 20 s)`);
    await mkdir(dirname(venv), { recursive: true });
    await run("python3", ["-m", "venv", fresh]);
    await run(join(fresh, "bin", "python"), ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", ...requirements]);
    await rename(fresh, venv).catch(() => {}); // another run may have been first
    return (await works()) ? { python } : { missing: `grpcio ${release} does not run with this Python` };
  } catch (error) {
    return { missing: `could not install grpcio ${release}: ${String(error).split("\n")[0]}` };
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
