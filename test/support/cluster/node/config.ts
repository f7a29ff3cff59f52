/** Where a node lives: `ip` is its own address, `machine` that of the machine at the other end, `pods` three numbers. */
export type NodePlace = Readonly<{ dir: string; tools: string; ip: string; machine: string; pods: string }>;

export const nodeName = "worktide";
export const pauseImage = "localhost/worktide-pause:1";

/** The files that a node's programs are told to read, by name. */
export function nodeFiles(place: NodePlace): Readonly<Record<string, string>> {
  return {
    "containerd.toml": containerd(place),
    "kubelet.yaml": JSON.stringify(kubelet(place)),
    "proxy.yaml": JSON.stringify(proxy(place)),
    "cni/10-pods.conflist": JSON.stringify(network(place)),
    "resolv.conf": "",
    Corefile: corefile(place),
    ...Object.fromEntries(Object.entries(flags(place)).map(([name, lines]) => [`flags/${name}`, `${lines.join("\n")}\n`])),
  };
}

/** Version 2 of the file is read by containerd 1.6 and by 2.x alike. */
const containerd = ({ dir, tools }: NodePlace) => `version = 2
root = "${dir}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage}"
disable_apparmor = true
# Without CAP_SYS_RESOURCE runc cannot lower the score, and fails.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "${tools}/usr/sbin/runc"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${tools}/usr/lib/cni"
conf_dir = "${dir}/cni"
`;

const kubelet = ({ dir, pods }: NodePlace) => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  failCgroupV1: false,
  failSwapOn: false,
  cgroupDriver: "cgroupfs",
  enforceNodeAllocatable: ["pods"],
  containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: `${dir}/kubelet-client.crt` },
  },
  authorization: { mode: "Webhook" },
  clusterDNS: [`${pods}.1`],
  clusterDomain: "cluster.local",
  resolvConf: `${dir}/resolv.conf`,
  volumePluginDir: `${dir}/kubelet/volume-plugins`,
  evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%" },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  registryPullQPS: 0,
  readOnlyPort: 0,
});

const proxy = ({ dir, pods }: NodePlace) => ({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  mode: "nftables",
  clientConnection: { kubeconfig: `${dir}/kubeconfig` },
  clusterCIDR: `${pods}.0/24`,
  hostnameOverride: nodeName,
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
});

const network = ({ pods }: NodePlace) => ({
  cniVersion: "1.0.0",
  name: "pods",
  plugins: [
    {
      type: "bridge",
      bridge: "pods",
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: {
        type: "host-local",
        dataDir: "/run/cni",
        ranges: [[{ subnet: `${pods}.0/24` }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
  ],
});

const corefile = ({ dir, pods }: NodePlace) => `.:53 {
  bind ${pods}.1
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${dir}/kubeconfig
  }
  cache 5
}
`;

const flags = ({ dir, ip }: NodePlace): Readonly<Record<string, readonly string[]>> => ({
  containerd: ["--config=containerd.toml"],
  etcd: ["--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn"],
  "kube-apiserver": [
    "--etcd-servers=http://127.0.0.1:2379",
    "--secure-port=6443",
    "--bind-address=0.0.0.0",
    `--advertise-address=${ip}`,
    "--cert-dir=pki",
    "--token-auth-file=tokens.csv",
    "--service-account-key-file=service-account.pub",
    "--service-account-signing-key-file=service-account.key",
    "--service-account-issuer=https://kubernetes.default.svc",
    "--service-cluster-ip-range=10.96.0.0/16",
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    "--kubelet-client-certificate=kubelet-client.crt",
    "--kubelet-client-key=kubelet-client.key",
    "--kubelet-preferred-address-types=InternalIP",
  ],
  "kube-controller-manager": [
    ...asAdmin,
    "--service-account-private-key-file=service-account.key",
    "--root-ca-file=pki/apiserver.crt",
    "--use-service-account-credentials=true",
  ],
  "kube-scheduler": asAdmin,
  "kube-proxy": ["--config=proxy.yaml"],
  coredns: ["-conf=Corefile"],
  kubelet: [
    "--config=kubelet.yaml",
    "--kubeconfig=kubelet.kubeconfig",
    `--root-dir=${dir}/kubelet`,
    `--cert-dir=${dir}/kubelet/pki`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${ip}`,
  ],
});

const asAdmin: readonly string[] = [
  "--kubeconfig=kubeconfig",
  "--authentication-kubeconfig=kubeconfig",
  "--authorization-kubeconfig=kubeconfig",
  "--leader-elect=false",
  "--secure-port=0",
];
