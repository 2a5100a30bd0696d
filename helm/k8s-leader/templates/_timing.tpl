{{- /*
The durations of the election, by the arithmetic of k8s_leader/election/timing.py; a test
compares the two. Everything is in seconds, as text, since that is all a template returns.
*/ -}}

{{- define "k8s-leader.number" -}}([0-9]+([.][0-9]*)?|[.][0-9]+){{- end -}}

{{- /* Seconds of 15s, 1m30s, 500ms or a plain number; nothing when it is no duration. */ -}}
{{- define "k8s-leader.seconds" -}}
{{- $text := toString . | trim -}}
{{- $number := include "k8s-leader.number" . -}}
{{- $part := printf "%s(ns|us|µs|μs|ms|s|m|h)" $number -}}
{{- $units := dict "ns" 0.000000001 "us" 0.000001 "µs" 0.000001 "μs" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- if regexMatch (printf "^%s$" $number) $text -}}
{{- float64 $text -}}
{{- else if regexMatch (printf "^(%s)+$" $part) $text -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll $part $text -1 -}}
{{- $amount := regexFind "^[0-9.]+" . -}}
{{- $sum = addf $sum (mulf (float64 $amount) (get $units (trimPrefix $amount .))) -}}
{{- end -}}
{{- $sum -}}
{{- end -}}
{{- end -}}

{{- define "k8s-leader.lease-duration" -}}
{{- $lengths := dict "fast" "8" "default" "15" "tolerant" "60" -}}
{{- if not (empty .Values.timing.leaseDuration) -}}
{{- include "k8s-leader.seconds" .Values.timing.leaseDuration -}}
{{- else -}}
{{- get $lengths .Values.timing.profile -}}
{{- end -}}
{{- end -}}

{{- /* All durations as JSON, given or derived; only for values that are durations. */ -}}
{{- define "k8s-leader.timing" -}}
{{- $length := include "k8s-leader.lease-duration" . | float64 -}}
{{- $timing := dict
  "leaseDuration" $length
  "renewDeadline" (divf (mulf $length 2) 3)
  "renewEvery" (divf $length 5)
  "retryPeriod" (minf 10 (divf (mulf $length 2) 15))
  "acquireEvery" $length
  "killTime" (mulf 0.15 $length)
  "safetyMargin" (addf 1 (mulf 0.02 $length))
  "requestTimeout" (minf 10 (divf $length 5))
  "stopTimeout" 25.0
-}}
{{- range $name, $value := omit .Values.timing "profile" "leaseDuration" -}}
{{- if not (empty $value) -}}
{{- $_ := set $timing $name (include "k8s-leader.seconds" $value | float64) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $timing "worstFailover" (mulf $length 1.01) -}}
{{- $_ := set $timing "gracePeriod" (addf 5 (ceil (addf $timing.stopTimeout $timing.killTime))) -}}
{{- toJson $timing -}}
{{- end -}}

{{- define "k8s-leader.grace-period" -}}
{{- if empty .Values.terminationGracePeriodSeconds -}}
{{- (include "k8s-leader.timing" . | fromJson).gracePeriod | int -}}
{{- else -}}
{{- .Values.terminationGracePeriodSeconds | int -}}
{{- end -}}
{{- end -}}

{{- /* A duration for people: at most three decimals. */ -}}
{{- define "k8s-leader.shown" -}}{{ round (float64 .) 3 }}s{{- end -}}
