{{- /*
The settings of `k8s-leader run`, as variables. What a person did not choose is left to the
program's own default; what makes the election safe is always said, so that neither the
image nor envFrom can say something else.
*/ -}}
{{- define "k8s-leader.settings" -}}
- name: K8S_LEADER_LEASE
  value: {{ include "k8s-leader.lease" . | quote }}
- name: K8S_LEADER_LEASE_CREATE
  value: {{ eq .Values.lease.owner "candidates" | quote }}
- name: K8S_LEADER_DISABLED
  value: "false"
- name: K8S_LEADER_PROFILE
  value: {{ .Values.timing.profile | quote }}
{{- range $name, $value := omit .Values.timing "profile" }}
{{- if not (empty $value) }}
- name: K8S_LEADER_{{ $name | snakecase | upper }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
- name: K8S_LEADER_ON_EXIT
  value: {{ .Values.onExit | quote }}
{{- with .Values.successExitCodes }}
- name: K8S_LEADER_SUCCESS_EXIT_CODES
  value: {{ join "," . | quote }}
{{- end }}
- name: K8S_LEADER_STOP_SIGNAL
  value: {{ .Values.stopSignal | quote }}
{{- with .Values.signalMap }}
- name: K8S_LEADER_SIGNAL_MAP
  value: {{ . | quote }}
{{- end }}
{{- include "k8s-leader.companions" . }}
- name: K8S_LEADER_HTTP
  value: {{ ternary (printf ":%d" (int .Values.http.port)) "off" .Values.http.enabled | quote }}
- name: K8S_LEADER_POD_LABEL
  value: {{ .Values.cluster.podLabel | quote }}
- name: K8S_LEADER_POD_DELETION_COST
  value: {{ ternary (int .Values.cluster.podDeletionCost) 0 .Values.cluster.podLabel | quote }}
- name: K8S_LEADER_EVENTS
  value: {{ .Values.cluster.events | quote }}
- name: K8S_LEADER_LEASE_NOTES
  value: {{ .Values.cluster.leaseNotes | quote }}
- name: K8S_LEADER_LOG_FORMAT
  value: {{ .Values.log.format | quote }}
- name: K8S_LEADER_LOG_LEVEL
  value: {{ .Values.log.level | quote }}
{{- end -}}

{{- /* Beside the workload: only what a person chose. */ -}}
{{- define "k8s-leader.companions" -}}
{{- with .Values.standbyCommand }}
- name: K8S_LEADER_STANDBY_COMMAND
  value: {{ include "k8s-leader.words" (dict "words" . "root" $) | quote }}
{{- end }}
{{- range $name, $value := omit .Values.hooks "timeout" }}
{{- with $value }}
- name: K8S_LEADER_{{ $name | snakecase | upper }}
  value: {{ include "k8s-leader.words" (dict "words" . "root" $) | quote }}
{{- end }}
{{- end }}
{{- with .Values.hooks.timeout }}
- name: K8S_LEADER_HOOK_TIMEOUT
  value: {{ toString . | quote }}
{{- end }}
{{- $health := .Values.health }}
{{- with $health.exec }}
- name: K8S_LEADER_HEALTH_EXEC
  value: {{ include "k8s-leader.words" (dict "words" . "root" $) | quote }}
{{- end }}
{{- range $name := list "http" "file" "every" "timeout" }}
{{- with get $health $name }}
- name: K8S_LEADER_HEALTH_{{ upper $name }}
  value: {{ tpl (toString .) $ | quote }}
{{- end }}
{{- end }}
{{- if or $health.exec $health.http $health.file }}
- name: K8S_LEADER_HEALTH_FAILURES
  value: {{ int $health.failures | quote }}
{{- end }}
{{- with $health.unhealthyBackoff }}
- name: K8S_LEADER_UNHEALTHY_BACKOFF
  value: {{ toString . | quote }}
{{- end }}
{{- end -}}

{{- /* A list as the one line that the program splits again, whatever is in the words. */ -}}
{{- define "k8s-leader.words" -}}
{{- $quoted := list -}}
{{- range .words -}}
{{- $quoted = append $quoted (printf "'%s'" (tpl (toString .) $.root | replace "'" "'\"'\"'")) -}}
{{- end -}}
{{- join " " $quoted -}}
{{- end -}}

{{- /* Where a Pod learns who it is; the names that everybody uses. */ -}}
{{- define "k8s-leader.downward" -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" "POD_IP" "status.podIP" "NODE_NAME" "spec.nodeName" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
{{- end -}}
