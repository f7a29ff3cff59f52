/** Where a control plane keeps its files, and its ports on the loopback. */
export type Place = Readonly<{ dir: string; client: number; peer: number; api: number }>;

export const etcdFlags = ({ client, peer }: Place): string[] => [
  "--data-dir=etcd",
  "--unsafe-no-fsync", // nothing here outlives a power cut
  "--log-level=warn",
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
  `--initial-cluster=default=http://127.0.0.1:${peer}`,
];

/** The API server makes its own certificate in `pki`, at its first start. */
export const apiserverFlags = ({ client, api }: Place): string[] => [
  `--etcd-servers=http://127.0.0.1:${client}`,
  `--secure-port=${api}`,
  "--bind-address=127.0.0.1",
  "--advertise-address=127.0.0.1",
  "--endpoint-reconciler-type=none", // the loopback is no address for the Service `kubernetes`
  "--cert-dir=pki",
  "--token-auth-file=tokens.csv",
  "--service-account-key-file=service-account.pub",
  "--service-account-signing-key-file=service-account.key",
  "--service-account-issuer=https://kubernetes.default.svc",
  "--service-cluster-ip-range=10.96.0.0/16",
  "--authorization-mode=RBAC",
  "--allow-privileged=true",
  "--disable-admission-plugins=ServiceAccount", // pods need not wait for their namespace's account: they never run
];

export const controllerManagerFlags: readonly string[] = [
  "--kubeconfig=kubeconfig",
  "--authentication-kubeconfig=kubeconfig",
  "--authorization-kubeconfig=kubeconfig",
  "--service-account-private-key-file=service-account.key",
  "--root-ca-file=pki/apiserver.crt",
  "--leader-elect=false",
  // No kubelet renews a node here, and some are only named: neither is to end the pods of a test after a minute.
  "--controllers=*,-pod-garbage-collector-controller,-node-lifecycle-controller",
  "--secure-port=0",
];
