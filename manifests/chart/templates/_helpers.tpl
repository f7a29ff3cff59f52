{{- define "worktide.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* The name that all objects begin with; room is left for what follows it. */}}
{{- define "worktide.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "worktide.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "worktide.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "worktide.selectorLabels" -}}
app.kubernetes.io/name: {{ include "worktide.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "worktide.labels" -}}
{{ include "worktide.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: controller
app.kubernetes.io/part-of: worktide
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "worktide.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "worktide.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "worktide.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Namespaces that are served with scope `namespaced`, as JSON. */}}
{{- define "worktide.namespaces" -}}
{{- default (list .Release.Namespace) .Values.namespaces | uniq | toJson }}
{{- end }}

{{- define "worktide.webhook" -}}
{{- if and .Values.webhook.enabled (eq .Values.scope "cluster") }}true{{ end }}
{{- end }}

{{- /* Rules of a reach (watched, cluster, own), with the names of this release's objects. */}}
{{- define "worktide.rules" -}}
{{- $access := .root.Files.Get "files/access.yaml" | replace "FULLNAME" (include "worktide.fullname" .root) | fromYaml -}}
{{- toYaml (index $access .reach) }}
{{- end }}

{{- define "worktide.targetRules" -}}
{{- range .Values.targets }}
- apiGroups: [{{ .group | quote }}]
  resources: {{ toJson .resources }}
  verbs: [list, watch]
- apiGroups: [{{ .group | quote }}]
  resources:
    {{- range .resources }}
    - {{ printf "%s/scale" . | quote }}
    {{- end }}
  verbs: [get, update, patch]
{{- end }}
{{- end }}

{{- define "worktide.secretRule" -}}
- apiGroups: [""]
  resources: [secrets, configmaps]
  {{- with .Values.secrets.names }}
  resourceNames: {{ toJson . }}
  {{- end }}
  verbs: [get, list, watch]
{{- end }}

{{- /* A Role and its binding in a namespace: root, name, namespace, rules. */}}
{{- define "worktide.grantIn" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "worktide.labels" .root | nindent 4 }}
rules: {{- .rules | trim | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels: {{- include "worktide.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "worktide.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
---
{{- end }}

{{- /* A ClusterRole: root, name, rules, and labels of its own. */}}
{{- define "worktide.clusterRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels: {{- include "worktide.labels" .root | nindent 4 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
rules: {{- .rules | trim | nindent 2 }}
---
{{- end }}

{{- define "worktide.clusterRoleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels: {{- include "worktide.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "worktide.serviceAccount" .root }}
    namespace: {{ .root.Release.Namespace }}
---
{{- end }}
