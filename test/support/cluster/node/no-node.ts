import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { findPrograms } from "../../control-plane.ts";

const run = promisify(execFile);

/** Why no node can run here, or false. */
export async function noNode(): Promise<string | false> {
  if (process.platform !== "linux" || userInfo().uid !== 0) return "a node of its own needs Linux and root";
  if (!(await works("apt-get", ["--version"])))
    return "a node of its own takes containerd and runc from Debian, and here is no apt-get";
  if (!(await works("openssl", ["version"]))) return "a node of its own needs openssl";
  const spaces = ["--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--mount-proc", "true"];
  if (!(await works("unshare", spaces))) return "a node of its own needs namespaces, and `unshare` is refused them here";
  if (!(await works("test", ["-d", "/sys/fs/cgroup/memory"])))
    return "a node of its own was only ever seen to run with cgroup v1";
  const programs = await findPrograms();
  if ("missing" in programs) return programs.missing;
  return (await works(path.join(programs.bin, "kubelet"), ["--version"])) ? false : `${programs.bin} has no kubelet`;
}

/** Whether a program is there, and ends well. */
export const works = (command: string, args: readonly string[]) =>
  run(command, args).then(
    () => true,
    () => false,
  );
