{{/* What runs: each service and the gateway, its values over the defaults. */}}

{{/* Puts a map's values over a base's, also false, 0 and empty ones, which `merge` would pass over. Takes (list base over). */}}
{{- define "crm.over" -}}
{{- $base := index . 0 -}}
{{- range $key, $value := index . 1 -}}
{{- if and (kindIs "map" $value) (kindIs "map" (get $base $key)) -}}
{{- include "crm.over" (list (get $base $key) $value) -}}
{{- else -}}
{{- $_ := set $base $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A map of the services of this installation by name, as YAML. `serviceDesk` is service-desk, its package service_desk. */}}
{{- define "crm.services" -}}
{{- $all := dict -}}
{{- range $key, $own := .Values.services -}}
{{- $one := deepCopy $.Values.defaults -}}
{{- include "crm.over" (list $one (default dict $own)) -}}
{{- if $one.enabled -}}
{{- $_ := set $one "key" $key -}}
{{- $_ := set $all (kebabcase $key) $one -}}
{{- end -}}
{{- end -}}
{{ toYaml $all }}
{{- end -}}

{{/* The services and the gateway. */}}
{{- define "crm.components" -}}
{{- $all := include "crm.services" . | fromYaml -}}
{{- $gateway := deepCopy .Values.defaults -}}
{{- include "crm.over" (list $gateway .Values.gateway) -}}
{{- $_ := set $all "gateway" $gateway -}}
{{ toYaml $all }}
{{- end -}}

{{/* How many replicas there are at least: what autoscaling may go down to, else what is asked for. */}}
{{- define "crm.leastReplicas" -}}
{{- if .keda.enabled }}{{ .keda.minReplicas }}{{ else if .autoscaling.enabled }}{{ .autoscaling.minReplicas }}{{ else }}{{ .replicas }}{{ end -}}
{{- end -}}

{{/* Takes (list root name component). */}}
{{- define "crm.serviceAccount" -}}
{{- $one := index . 2 -}}
{{- default (ternary (printf "%s-%s" (include "crm.fullname" (index . 0)) (index . 1)) "default" $one.serviceAccount.create) $one.serviceAccount.name -}}
{{- end -}}
