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

{{- define "k8s-leader.pod-rules" -}}
{{- end -}}
