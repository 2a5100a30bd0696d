{{- /* What a Pod of the Deployment is made of. */ -}}
{{- define "k8s-leader.pod" -}}
serviceAccountName: {{ include "k8s-leader.service-account" . }}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "k8s-leader.grace-period" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if ne (toString .Values.hostUsers) "<nil>" }}
hostUsers: {{ .Values.hostUsers }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or (eq .Values.gate.method "copy") .Values.extraInitContainers }}
initContainers:
  {{- if eq .Values.gate.method "copy" }}
  {{- include "k8s-leader.copy-container" . | nindent 2 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  {{- include "k8s-leader.container" . | nindent 2 }}
  {{- with .Values.extraContainers }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- with include "k8s-leader.volumes" . | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- include "k8s-leader.placement" . }}
{{- end -}}

{{- define "k8s-leader.container" -}}
- name: workload
  image: {{ include "k8s-leader.workload-image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [{{ include "k8s-leader.program" . }}, run, --]
  args:
    {{- range concat .Values.command .Values.args }}
    - {{ tpl (toString .) $ | quote }}
    {{- end }}
  {{- with .Values.workingDir }}
  workingDir: {{ . }}
  {{- end }}
  env:
    {{- include "k8s-leader.settings" . | nindent 4 }}
    {{- include "k8s-leader.downward" . | trim | nindent 4 }}
    {{- with .Values.env }}
    {{- tpl (toYaml .) $ | nindent 4 }}
    {{- end }}
  {{- with .Values.envFrom }}
  envFrom:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- if or .Values.http.enabled .Values.ports }}
  ports:
    {{- if .Values.http.enabled }}
    - name: k8s-leader
      containerPort: {{ int .Values.http.port }}
    {{- end }}
    {{- with .Values.ports }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with include "k8s-leader.probes" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  terminationMessagePolicy: File
  {{- with include "k8s-leader.volume-mounts" . | trim }}
  volumeMounts:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* A standby is alive and ready too: who leads is never the kubelet's business. */ -}}
{{- define "k8s-leader.probes" -}}
{{- if .Values.http.enabled -}}
{{- range $kind, $path := dict "startup" "/livez" "liveness" "/livez" "readiness" "/readyz" }}
{{ $kind }}Probe:
  httpGet:
    path: {{ $path }}
    port: k8s-leader
  {{- with get $.Values.probes $kind }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Zones are no second constraint: where nodes have no zone, both would count for nothing. */ -}}
{{- define "k8s-leader.placement" -}}
{{- $spreads := and .Values.topologySpread.enabled (not .Values.topologySpreadConstraints) -}}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- tpl (toYaml .Values.topologySpreadConstraints) . | nindent 2 }}
{{- else if $spreads }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "k8s-leader.selector" . | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- if .Values.affinity }}
affinity:
  {{- tpl (toYaml .Values.affinity) . | nindent 2 }}
{{- else if $spreads }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: topology.kubernetes.io/zone
          labelSelector:
            matchLabels:
              {{- include "k8s-leader.selector" . | nindent 14 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
