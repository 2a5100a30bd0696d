{{- /*
No ungated Pod beside a new leader, and never two Leases at once: a Deployment of this release
(or of its name) that runs under another Lease, or under none, is replaced only with every old
Pod gone first. Looks at the cluster; `helm template` cannot, and then nothing is found.
*/ -}}
{{- define "k8s-leader.problems.adoption" -}}
{{- $name := include "k8s-leader.fullname" . -}}
{{- $lease := include "k8s-leader.lease" . -}}
{{- range (lookup "apps/v1" "Deployment" .Release.Namespace "").items }}
{{- $annotations := .metadata.annotations | default dict }}
{{- $ours := and (eq (dig "meta.helm.sh/release-name" "" $annotations) $.Release.Name) (hasKey $annotations "k8s-leader.io/lease") }}
{{- $old := dig "k8s-leader.io/lease" "ungated" $annotations }}
{{- $foreign := ne (dig "meta.helm.sh/release-name" "" $annotations) $.Release.Name }}
{{- if and $foreign (eq .metadata.name $name) }}
{{- range .spec.template.spec.containers }}
{{- if not (eq .name "workload") }}
Deployment {{ $name }} was not made by this release and has a container {{ .name }}, which Kubernetes would keep beside the chart's own `workload`: ungated, on every replica. Scale that Deployment to zero and delete it, or give this release another name.
{{- end }}
{{- end }}
{{- end }}
{{- if and (or $ours (eq .metadata.name $name)) (ne $old $lease) }}
{{- if eq (include "k8s-leader.has-pods" .) "true" }}
{{- if ne .metadata.name $name }}
Deployment {{ .metadata.name }} still has Pods that campaign on {{ $old }}, and this upgrade would start {{ $name }} on {{ $lease }} beside them: both could lead at once. Keep lease.name and lease.namespace, or stop the old one first: upgrade with replicas=0 and nothing else changed, and wait until its Pods are gone.
{{- else if ne $.Values.lease.changeFrom $old }}
This would move Deployment {{ $name }} from {{ ternary "no Lease at all" (printf "the Lease %s" $old) (eq $old "ungated") }} to the Lease {{ $lease }}, and Pods of both could lead at once. Keep lease.name and lease.namespace; or acknowledge it with --set lease.changeFrom={{ $old }}, which replaces all Pods at once (Recreate: the workload is down meanwhile); or stop the old Pods first: upgrade with replicas=0 and nothing else changed, and wait until they are gone (kubectl -n {{ $.Release.Namespace }} get pods -l app.kubernetes.io/instance={{ $.Release.Name }}).
{{- else if and (eq $old "ungated") (gt (int (dig "replicas" 1 .spec)) 0) (lt (int (dig "replicas" 1 .spec)) (int $.Values.replicas)) }}
Deployment {{ $name }} has {{ int (dig "replicas" 1 .spec) }} ungated Pods, and with replicas={{ int $.Values.replicas }} Kubernetes would start more of them before it replaces them. Adopt with --set replicas={{ int (dig "replicas" 1 .spec) }}, and raise it with the next upgrade.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Whether a Deployment wants Pods or any that its selector names is still there. */ -}}
{{- define "k8s-leader.has-pods" -}}
{{- $wanted := .spec.selector.matchLabels | default dict -}}
{{- $found := gt (int (dig "replicas" 1 .spec)) 0 -}}
{{- range (lookup "v1" "Pod" .metadata.namespace "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $all := not (has (dig "status" "phase" "" .) (list "Succeeded" "Failed")) -}}
{{- range $key, $value := $wanted -}}
{{- if ne (dig $key "" $labels) $value -}}{{- $all = false -}}{{- end -}}
{{- end -}}
{{- if $all -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}
