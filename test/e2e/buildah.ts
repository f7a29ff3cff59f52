import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import path from "node:path";

/** How to make one image. */
export type Build = Readonly<{
  /** Its name and tag. */
  tag: string;
  dockerfile: string;
  context: string;
  args?: Readonly<Record<string, string>>;
  /** Paths of this machine by where RUN sees them (`/here`, `/here:ro`). */
  volumes?: Readonly<Record<string, string>>;
}>;

/** Runs buildah from unpacked Debian packages: `tools` has them, `home` keeps its images and layers. */
export function buildahIn(tools: string, home: string) {
  const settings = [
    ...["--root", path.join(home, "root"), "--runroot", path.join(home, "run"), "--storage-driver", "overlay"],
    ...["--registries-conf", path.join(tools, "etc/containers/registries.conf")],
  ];
  const policy = ["--signature-policy", path.join(tools, "etc/containers/policy.json")];
  return {
    build: async ({ tag, dockerfile, context, args = {}, volumes = {} }: Build) => {
      await mkdir(home, { recursive: true });
      const flags = [
        ...[
          "--isolation",
          "chroot",
          "--network",
          "host",
          "--layers",
          "--pull-never",
          ...policy,
          "--tag",
          tag,
          "--file",
          dockerfile,
        ],
        ...Object.entries(args).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]),
        ...Object.entries(volumes).flatMap(([inside, outside]) => ["--volume", `${outside}:${inside}`]),
      ];
      await run(tools, [...settings, "build", ...flags, context]);
    },
    /** Writes an archive that containerd, Docker and kind load. */
    save: (tag: string, archive: string) => run(tools, [...settings, "push", ...policy, tag, `docker-archive:${archive}:${tag}`]),
  };
}

/** Shows buildah, and what it starts of itself without its environment, the libraries that it came with. */
const withLibraries = 'mount -t overlay overlay -o "lowerdir=$0:$1" "$1" && shift && exec "$@"';

/** Rejects with the end of what it said. */
async function run(tools: string, args: readonly string[]): Promise<void> {
  const PATH = [path.join(tools, "usr/sbin"), path.join(tools, "usr/bin"), process.env["PATH"]].join(path.delimiter);
  const libraries = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const shell = ["--mount", "--propagation", "private", "/bin/sh", "-c", withLibraries, path.join(tools, libraries), libraries];
  const child = spawn("unshare", [...shell, "buildah", ...args], {
    env: { ...process.env, PATH },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-3000)));
  }
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject).once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`buildah ${args.find((arg) => ["build", "push"].includes(arg))}: ${said.trim()}`));
    });
  });
}
