{{/* What things are called. */}}

{{- define "crm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Selectors: what never changes. Takes (list root component). */}}
{{- define "crm.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of every object. Takes (list root component). */}}
{{- define "crm.labels" -}}
{{ include "crm.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: crm-suite
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* What an object begins with. Takes (list root name component). */}}
{{- define "crm.metadata" -}}
name: {{ index . 1 }}
namespace: {{ (index . 0).Release.Namespace }}
labels: {{- include "crm.labels" (list (index . 0) (index . 2)) | nindent 2 }}
{{- end -}}

{{/* The image of a part of the suite. Takes (list root part). */}}
{{- define "crm.image" -}}
{{- $root := index . 0 -}}
{{- $part := index . 1 -}}
{{- $image := $root.Values.image -}}
{{- $registry := default $image.registry $root.Values.global.imageRegistry -}}
{{- with $registry }}{{ . }}/{{ end }}{{ $image.repository }}-{{ $part }}
{{- with get $image.digests $part }}@{{ . }}{{ else }}:{{ default $root.Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* Where callers find a service. Takes (list root service). */}}
{{- define "crm.upstream" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s-%s" (include "crm.fullname" $root) (index . 1) -}}
{{- if eq $root.Values.grpc.loadBalancing "mesh" -}}
{{ $name }}.{{ $root.Release.Namespace }}.svc:50051
{{- else -}}
dns:///{{ $name }}-headless.{{ $root.Release.Namespace }}.svc:50051
{{- end -}}
{{- end -}}
