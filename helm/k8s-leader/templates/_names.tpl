{{- /* Names and labels. Names are cut at 50 so that every suffix fits into 63. */ -}}

{{- define "k8s-leader.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "k8s-leader.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "k8s-leader.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "k8s-leader.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "k8s-leader.selector" -}}
app.kubernetes.io/name: {{ include "k8s-leader.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Labels that an upgrade does not change: what carries them is not written again. */ -}}
{{- define "k8s-leader.steady-labels" -}}
{{ include "k8s-leader.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "k8s-leader.steady-labels" . }}
{{- end -}}

{{- /* metadata of an object: (dict "root" $ "name" N "namespace" NS "labels" {} "annotations" {} "steady" bool) */ -}}
{{- define "k8s-leader.metadata" -}}
{{- $root := .root -}}
name: {{ .name | default (include "k8s-leader.fullname" $root) }}
namespace: {{ .namespace | default $root.Release.Namespace }}
labels:
  {{- if .steady }}
  {{- include "k8s-leader.steady-labels" $root | nindent 2 }}
  {{- else }}
  {{- include "k8s-leader.labels" $root | nindent 2 }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.service-account" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else if .Values.serviceAccount.create -}}
{{- include "k8s-leader.fullname" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "k8s-leader.lease-name" -}}
{{- .Values.lease.name | default (include "k8s-leader.fullname" .) -}}
{{- end -}}

{{- define "k8s-leader.lease-namespace" -}}
{{- .Values.lease.namespace | default .Release.Namespace -}}
{{- end -}}

{{- define "k8s-leader.lease" -}}
{{- include "k8s-leader.lease-namespace" . }}/{{ include "k8s-leader.lease-name" . -}}
{{- end -}}

{{- /* An image reference: (dict "image" {repository, tag, digest} "tag" DEFAULT) */ -}}
{{- define "k8s-leader.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .tag | toString) -}}
{{- end -}}
{{- end -}}
