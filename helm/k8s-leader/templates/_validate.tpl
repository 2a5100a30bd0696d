{{- /*
What the schema cannot say, and what it could only say in regular expressions. Each template
prints one line per problem: the value, what is allowed, the fix.
*/ -}}

{{- define "k8s-leader.validate" -}}
{{- $lines := list -}}
{{- $all := list "workload" "gate" "environment" "lease" "timing" "workload-end" "companions" "rollout" "network" "monitoring" "adoption" -}}
{{- range $all -}}
{{- range splitList "\n" (include (printf "k8s-leader.problems.%s" .) $) -}}
{{- with trim . -}}{{- $lines = append $lines (printf "  - %s" .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- if $lines -}}
{{- fail (printf "\n\n%s: these values cannot work:\n%s\n" .Chart.Name (join "\n" $lines)) -}}
{{- end -}}
{{- end -}}

{{- define "k8s-leader.problems.workload" -}}
{{- $name := include "k8s-leader.fullname" . -}}
{{- if not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name) }}
{{ ternary "fullnameOverride" "the name of all objects (release and chart)" (not (empty .Values.fullnameOverride)) }} is {{ quote $name }}; allowed are lower-case letters, digits and '-' (RFC 1123 label). Set fullnameOverride to such a name.
{{- end }}
{{- if eq (toString .Values.enabled) "false" }}
enabled is false, but only a parent chart can switch this chart off: give the dependency `condition: {{ .Chart.Name }}.enabled`, or set replicas=0 to stop the workload.
{{- end }}
{{- if not .Values.image.repository }}
image.repository is missing: name the image of the workload, such as --set image.repository=registry.example/worker
{{- else if regexMatch ":[^/]*$|@" .Values.image.repository }}
image.repository is {{ quote .Values.image.repository }}, which has a tag or digest in it: give those as image.tag or image.digest.
{{- end }}
{{- with .Values.image.digest }}{{ if not (regexMatch "^sha256:[0-9a-f]{64}$" .) }}
image.digest is {{ quote . }}; allowed is sha256: and 64 hexadecimal digits. Copy it from the registry, or use image.tag.
{{- end }}{{ end }}
{{- if not .Values.command }}
command is missing: write out the program that the leader runs, such as --set command={python,worker.py}. The ENTRYPOINT of the image is not used, since it would run on every replica (docker inspect shows it).
{{- else if regexMatch "(^|/)k8s-leader$" (toString (first .Values.command)) }}
command begins with {{ quote (first .Values.command) }}: the chart puts `k8s-leader run --` before the command itself. Name the workload's program only.
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.gate" -}}
{{- if and (ne .Values.gate.method "wrap") (not .Values.gate.image.repository) }}
gate.image.repository is missing: gate.method={{ .Values.gate.method }} takes /opt/k8s-leader from that image. Name it, or use gate.method=wrap with an image that has k8s-leader in it.
{{- end }}
{{- with .Values.gate.image.digest }}{{ if not (regexMatch "^sha256:[0-9a-f]{64}$" .) }}
gate.image.digest is {{ quote . }}; allowed is sha256: and 64 hexadecimal digits. Copy it from the registry, or use gate.image.tag.
{{- end }}{{ end }}
{{- if and (eq .Values.gate.method "wrap") (not .Values.gate.program) }}
gate.program is empty: gate.method=wrap starts the k8s-leader that is in the image. Leave gate.program out (k8s-leader, found by PATH) or give its path.
{{- end }}
{{- range $name, $size := dict "gate.sizeLimit" .Values.gate.sizeLimit "tmp.sizeLimit" .Values.tmp.sizeLimit }}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?([KMGT]i?|k)?$" (toString $size)) }}
{{ $name }} is {{ quote $size }}; allowed is a quantity such as 128Mi or 1Gi.
{{- end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.environment" -}}
{{- $ours := list -}}
{{- range (include "k8s-leader.downward" . | fromYamlArray) }}{{ $ours = append $ours .name }}{{ end -}}
{{- $seen := list -}}
{{- range $at, $entry := .Values.env }}
{{- $name := toString $entry.name }}
{{- if hasPrefix "K8S_LEADER_" $name }}
env[{{ $at }}] sets {{ $name }}, which belongs to this chart. Use the chart's value for it (see README.md, timing, lease, log, ...).
{{- else if has $name $ours }}
env[{{ $at }}] sets {{ $name }}, which the chart already sets from the Pod. Leave it out.
{{- else if has $name $seen }}
env[{{ $at }}] sets {{ $name }} a second time. Keep one of the two.
{{- end }}
{{- $seen = append $seen $name }}
{{- end }}
{{- range $name, $_ := .Values.podLabels }}
{{- if or (has $name (list "app.kubernetes.io/name" "app.kubernetes.io/instance")) (hasPrefix "k8s-leader.io/" $name) }}
podLabels sets {{ $name }}, which the chart or the candidates set themselves. Leave it out.
{{- end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.lease" -}}
{{- $name := .Values.lease.name | default "default" -}}
{{- if or (gt (len $name) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" $name)) }}
lease.name is {{ quote $name }}; allowed are lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit (RFC 1123 subdomain, at most 253).
{{- if contains "/" $name }} The namespace goes into lease.namespace.{{ end }}
{{- end }}
{{- with .Values.lease.namespace }}{{ if or (gt (len .) 63) (not (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" .)) }}
lease.namespace is {{ quote . }}; allowed are lower-case letters, digits and '-' (RFC 1123 label, at most 63). Leave it empty for the release's own.
{{- end }}{{ end }}
{{- with .Values.lease.changeFrom }}{{ if and (ne . "ungated") (not (regexMatch "^[-a-z0-9]+/[-.a-z0-9]+$" .)) }}
lease.changeFrom is {{ quote . }}; allowed is the old Lease as NAMESPACE/NAME, or `ungated`. `kubectl get deployment -o yaml` shows it in the annotation k8s-leader.io/lease.
{{- end }}{{ end }}
{{- end -}}

{{- define "k8s-leader.problems.timing" -}}
{{- $wrong := false -}}
{{- range $name, $value := omit .Values.timing "profile" }}
{{- with include "k8s-leader.problem-of-time" (dict "name" (printf "timing.%s" $name) "value" $value) }}
{{- $wrong = true }}
{{ . }}
{{- end }}
{{- end }}
{{- if not $wrong }}
{{- include "k8s-leader.problems.timing-relations" . }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problem-of-time" -}}
{{- if not (empty .value) }}
{{- $seconds := include "k8s-leader.seconds" .value }}
{{- if or (not $seconds) (le (float64 $seconds) 0.0) (gt (float64 $seconds) 31536000.0) -}}
{{ .name }} is {{ quote .value }}; allowed is a time above 0 and up to a year, such as 15s, 1m30s, 500ms or 15. Leave it empty to have {{ ternary "it derived" "the default" (hasPrefix "timing." .name) }}.
{{- end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.timing-relations" -}}
{{- $t := include "k8s-leader.timing" . | fromJson -}}
{{- $needed := addf $t.renewDeadline $t.killTime $t.safetyMargin -}}
{{- $busy := addf $t.renewEvery $t.requestTimeout -}}
{{- if gt $needed (addf $t.leaseDuration 0.000000001) }}
timing.leaseDuration is {{ include "k8s-leader.shown" $t.leaseDuration }}; it must be at least renewDeadline + killTime + safetyMargin = {{ include "k8s-leader.shown" $t.renewDeadline }} + {{ include "k8s-leader.shown" $t.killTime }} + {{ include "k8s-leader.shown" $t.safetyMargin }} = {{ include "k8s-leader.shown" $needed }}, or two workloads could run at once. Lengthen it (7s or more works alone), or shorten one of the three.
{{- end }}
{{- if ge $busy $t.renewDeadline }}
timing.renewEvery + requestTimeout is {{ include "k8s-leader.shown" $t.renewEvery }} + {{ include "k8s-leader.shown" $t.requestTimeout }}; it must be below renewDeadline ({{ include "k8s-leader.shown" $t.renewDeadline }}). Renew more often, or lengthen renewDeadline and leaseDuration.
{{- end }}
{{- if ge $t.retryPeriod $t.renewDeadline }}
timing.retryPeriod is {{ include "k8s-leader.shown" $t.retryPeriod }}; it must be below renewDeadline ({{ include "k8s-leader.shown" $t.renewDeadline }}), so that a failed renewal is tried again. Shorten it.
{{- end }}
{{- if ge $t.renewEvery $t.acquireEvery }}
timing.acquireEvery is {{ include "k8s-leader.shown" $t.acquireEvery }}; it must be above renewEvery ({{ include "k8s-leader.shown" $t.renewEvery }}). Leave it empty: it is leaseDuration by default.
{{- end }}
{{- $grace := int $t.gracePeriod -}}
{{- if not (regexMatch "^[0-9]*$" (toString .Values.terminationGracePeriodSeconds)) }}
terminationGracePeriodSeconds is {{ quote .Values.terminationGracePeriodSeconds }}; allowed is a whole number of seconds. Leave it empty: {{ $grace }} follows from the timing.
{{- else if lt (int (include "k8s-leader.grace-period" .)) $grace }}
terminationGracePeriodSeconds is {{ .Values.terminationGracePeriodSeconds }}; it must be at least stopTimeout + killTime + 5 s = {{ $grace }}, or the kubelet kills the leader before it has released the Lease. Leave it empty, or shorten timing.stopTimeout.
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.workload-end" -}}
{{- $signal := .Values.stopSignal | toString | upper | trimPrefix "SIG" -}}
{{- $allowed := list "TERM" "INT" "QUIT" "HUP" "USR1" "USR2" -}}
{{- if not (or (has $signal $allowed) (regexMatch "^(RTMIN([+][0-9]+)?|[0-9]+)$" $signal)) }}
stopSignal is {{ quote .Values.stopSignal }}; allowed is a signal that can end a program: {{ join ", " $allowed }}, RTMIN+n or a number.
{{- end }}
{{- with .Values.signalMap }}{{ if not (regexMatch "^[A-Za-z0-9+]+=[A-Za-z0-9+]+(,[A-Za-z0-9+]+=[A-Za-z0-9+]+)*$" .) }}
signalMap is {{ quote . }}; allowed are pairs with commas between, such as HUP=USR1,INT=none.
{{- end }}{{ end }}
{{- end -}}

{{- define "k8s-leader.problems.companions" -}}
{{- $health := .Values.health -}}
{{- $times := dict "hooks.timeout" .Values.hooks.timeout -}}
{{- range list "every" "timeout" "unhealthyBackoff" }}{{ $_ := set $times (printf "health.%s" .) (get $health .) }}{{ end -}}
{{- range $name, $value := $times }}
{{ include "k8s-leader.problem-of-time" (dict "name" $name "value" $value) }}
{{- end }}
{{- with $health.http }}{{ if not (regexMatch "^https?://[^/ ]+" .) }}
health.http is {{ quote . }}; allowed is a URL that this Pod can reach, such as http://127.0.0.1:8000/healthz.
{{- end }}{{ end }}
{{- with $health.file }}{{ if not (hasPrefix "/" .) }}
health.file is {{ quote . }}; allowed is an absolute path, such as /tmp/alive: the working directory is the image's.
{{- end }}{{ end }}
{{- if not (or $health.exec $health.http $health.file) }}
{{- range list "every" "timeout" "unhealthyBackoff" }}{{ with get $health . }}
health has times but nothing to look at: name health.exec, health.http or health.file, or leave the times out.
{{- break }}{{ end }}{{ end }}
{{- end }}
{{- range $name, $words := dict "standbyCommand" .Values.standbyCommand "hooks.onStartedLeading" .Values.hooks.onStartedLeading "hooks.onStoppedLeading" .Values.hooks.onStoppedLeading "health.exec" $health.exec }}
{{- if $words }}{{ if not (toString (first $words)) }}
{{ $name }} begins with an empty word: name the program first, such as {{ $name }}={sh,-c,"..."}.
{{- end }}{{ end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.rollout" -}}
{{- $rolling := .Values.strategy.rollingUpdate | default dict -}}
{{- if eq .Values.strategy.type "RollingUpdate" }}
{{- $surge := toString (dig "maxSurge" 1 $rolling) -}}
{{- $away := toString (dig "maxUnavailable" 0 $rolling) -}}
{{- if and (has $surge (list "0" "0%")) (has $away (list "0" "0%")) }}
strategy.rollingUpdate has both maxSurge and maxUnavailable 0, so that no Pod could ever be replaced. Set maxSurge=1 (a standby is there all the time), or maxUnavailable=1 where a Pod cannot be added.
{{- end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.network" -}}
{{- $leader := .Values.service.leader -}}
{{- if and (ne $leader.mode "none") (not $leader.ports) }}
service.leader.ports is missing: service.leader.mode={{ $leader.mode }} needs the ports to serve, such as [{name: web, port: 80, targetPort: 8000}].
{{- end }}
{{- if and (ne $leader.mode "none") (not .Values.cluster.podLabel) }}
service.leader.mode is {{ $leader.mode }} with cluster.podLabel=false: the Service would have no endpoint. Switch the label on.
{{- end }}
{{- if and (eq $leader.mode "endpointSlice") (not .Values.cluster.leaseNotes) }}
service.leader.mode is endpointSlice with cluster.leaseNotes=false: the operator finds the leader's Pod by those notes. Switch them on.
{{- end }}
{{- if and (eq $leader.mode "endpointSlice") (ne (include "k8s-leader.lease-namespace" .) .Release.Namespace) }}
service.leader.mode is endpointSlice with lease.namespace={{ .Values.lease.namespace }}: the operator follows a Lease of the Service's own namespace only. Leave lease.namespace empty, or use the mode label.
{{- end }}
{{- if and (ne $leader.mode "none") (not .Values.rbac.create) (not .Values.serviceAccount.name) }}
service.leader.mode is {{ $leader.mode }} with rbac.create=false: the candidates need `patch` on Pods. Create the rights, or name a serviceAccount that has them.
{{- end }}
{{- if .Values.http.enabled }}
{{- range $at, $port := .Values.ports }}
{{- if eq (toString $port.name) "k8s-leader" }}
ports[{{ $at }}].name is k8s-leader, which is the name of k8s-leader's own port. Name the workload's port otherwise.
{{- end }}
{{- if eq (toString $port.containerPort) (toString (int $.Values.http.port)) }}
ports[{{ $at }}].containerPort is {{ $port.containerPort }}, which k8s-leader serves on. Choose another http.port.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "k8s-leader.problems.monitoring" -}}
{{- $metrics := .Values.metrics -}}
{{- range $kind := list "podMonitor" "serviceMonitor" }}
{{- $monitor := get $metrics $kind }}
{{- if and $monitor.enabled (not $.Values.http.enabled) }}
metrics.{{ $kind }}.enabled is true with http.enabled=false: there would be nothing to scrape. Switch http on, or the monitor off.
{{- end }}
{{- end }}
{{- if and $metrics.podMonitor.enabled $metrics.serviceMonitor.enabled }}
metrics.podMonitor and metrics.serviceMonitor are both enabled: every Pod would be scraped twice. Keep one.
{{- end }}
{{- range $kind, $file := dict "prometheusRule" "files/rules.yaml" "dashboard" "files/dashboard.json" }}
{{- if and (get $metrics $kind).enabled (not ($.Files.Get $file)) }}
metrics.{{ $kind }}.enabled is true, but this chart has no {{ $file }}. Switch it off, or take a released chart.
{{- end }}
{{- end }}
{{- if and $metrics.prometheusRule.enabled ($.Files.Get "files/rules.yaml") }}
{{- $names := list }}
{{- range (fromYaml ($.Files.Get "files/rules.yaml")).groups }}{{ range .rules }}{{ with .alert }}{{ $names = append $names . }}{{ end }}{{ end }}{{ end }}
{{- range concat $metrics.prometheusRule.disabled (keys $metrics.prometheusRule.overrides) }}
{{- if not (has . $names) }}
metrics.prometheusRule names the alert {{ quote . }}, which does not exist. There are: {{ join ", " $names }}.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
