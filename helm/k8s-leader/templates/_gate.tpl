{{- /* The ways in which k8s-leader gets into the workload's container. */ -}}

{{- define "k8s-leader.program" -}}
{{- if eq .Values.gate.method "wrap" -}}
{{- .Values.gate.program -}}
{{- else -}}
/opt/k8s-leader/bin/k8s-leader
{{- end -}}
{{- end -}}

{{- define "k8s-leader.gate-image" -}}
{{- include "k8s-leader.image" (dict "image" .Values.gate.image "tag" .Chart.AppVersion) -}}
{{- end -}}

{{- define "k8s-leader.workload-image" -}}
{{- include "k8s-leader.image" (dict "image" .Values.image "tag" "latest") -}}
{{- end -}}

{{- /* Copies /opt/k8s-leader into the volume of the same name. */ -}}
{{- define "k8s-leader.copy-container" -}}
- name: k8s-leader-copy
  image: {{ include "k8s-leader.gate-image" . }}
  imagePullPolicy: {{ .Values.gate.image.pullPolicy }}
  command: [/opt/k8s-leader/bin/k8s-leader, copy-tree, /target]
  {{- with .Values.gate.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.securityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: k8s-leader
      mountPath: /target
{{- end -}}

{{- define "k8s-leader.volumes" -}}
{{- if eq .Values.gate.method "copy" }}
- name: k8s-leader
  emptyDir:
    sizeLimit: {{ .Values.gate.sizeLimit }}
{{- else if eq .Values.gate.method "imageVolume" }}
- name: k8s-leader
  image:
    reference: {{ include "k8s-leader.gate-image" . }}
    pullPolicy: {{ .Values.gate.image.pullPolicy }}
{{- end }}
{{- if .Values.tmp.enabled }}
- name: k8s-leader-tmp
  emptyDir:
    sizeLimit: {{ .Values.tmp.sizeLimit }}
{{- end }}
{{- with .Values.volumes }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.volume-mounts" -}}
{{- if ne .Values.gate.method "wrap" }}
- name: k8s-leader
  mountPath: /opt/k8s-leader
  readOnly: true
  {{- if eq .Values.gate.method "imageVolume" }}
  subPath: opt/k8s-leader
  {{- end }}
{{- end }}
{{- if .Values.tmp.enabled }}
- name: k8s-leader-tmp
  mountPath: /tmp
{{- end }}
{{- with .Values.volumeMounts }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end -}}
