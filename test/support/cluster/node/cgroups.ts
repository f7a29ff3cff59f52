import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

/** One group of each cgroup v1 hierarchy, and the hierarchies' names as the kernel writes them. */
export type Cgroups = Readonly<{ groups: readonly string[]; controllers: readonly string[] }>;

/** Makes a group below this process's own in every hierarchy; `dir/cleanup.sh` removes them when all in them has gone. */
export async function makeCgroups(dir: string, name: string): Promise<Cgroups> {
  const lines = (await readFile("/proc/self/cgroup", "utf8")).trim().split("\n");
  const found = lines.map((line) => /^\d+:([^:]+):(.*)$/.exec(line)).filter((match) => match !== null);
  const groups: string[] = [];
  const controllers: string[] = [];
  for (const [, controller = "", own = ""] of found) {
    const parent = path.join("/sys/fs/cgroup", controller.replace("name=", ""), own);
    const group = path.join(parent, name);
    await mkdir(group, { recursive: true });
    // A new cpuset has no processors and no memory, and takes nobody in before it has.
    if (controller === "cpuset") for (const file of ["cpuset.cpus", "cpuset.mems"]) await copySetting(parent, group, file);
    groups.push(group);
    controllers.push(controller);
  }
  await writeFile(path.join(dir, "cleanup.sh"), cleanup(groups));
  return { groups, controllers };
}

const copySetting = async (from: string, to: string, file: string) =>
  writeFile(path.join(to, file), await readFile(path.join(from, file), "utf8"));

/** A group can only be removed once its last process is gone for good: that may take a moment. */
const cleanup = (groups: readonly string[]) =>
  groups
    .map(
      (group) =>
        `for i in 1 2 3 4 5 6 7 8 9; do find '${group}' -depth -type d -exec rmdir {} +; [ -d '${group}' ] || break; sleep 0.3; done`,
    )
    .join(" 2>/dev/null\n")
    .concat(" 2>/dev/null\n");
