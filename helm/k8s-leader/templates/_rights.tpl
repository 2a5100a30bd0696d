{{- /* One block per feature: what a candidate may do, and nothing more. */ -}}

{{- define "k8s-leader.lease-rules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "k8s-leader.lease-name" . }}]
  verbs: [get, list, watch, update]
{{- if eq .Values.lease.owner "candidates" }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create] # cannot be limited to a name
{{- end }}
{{- end -}}

{{- /* On Pods, in their namespace: cannot be limited to the own one. */ -}}
{{- define "k8s-leader.pod-rules" -}}
{{- if .Values.cluster.podLabel }}
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end }}
{{- end -}}

{{- /* An Event lives in the namespace of what it is about: of the Lease, and of the Pod. */ -}}
{{- define "k8s-leader.event-rules" -}}
{{- if .Values.cluster.events }}
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}
{{- end -}}
