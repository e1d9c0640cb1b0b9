{{/* What processes are told. Secrets come by reference, never as text. */}}

{{/* NAME from a key of a Secret. Takes (list name secret key). */}}
{{- define "crm.fromSecret" -}}
- name: {{ index . 0 }}
  valueFrom: {secretKeyRef: {name: {{ index . 1 }}, key: {{ index . 2 }}}}
{{- end -}}

{{/* Takes (list root service values). */}}
{{- define "crm.databaseSecret" -}}
{{- default (printf "%s-%s-db" (include "crm.fullname" (index . 0)) (index . 1)) (index . 2).database.existingSecret -}}
{{- end -}}

{{/* Of every process. Takes (list root component). */}}
{{- define "crm.commonEnv" -}}
{{- $root := index . 0 -}}
{{- $v := $root.Values -}}
- {name: LOG_LEVEL, value: {{ $v.log.level | quote }}}
- name: SERVICES
  value: {{ include "crm.services" $root | fromYaml | keys | sortAlpha | join "," }}
{{- if $v.telemetry.otlp.enabled }}
- name: NODE_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- {name: OTEL_SERVICE_NAME, value: {{ index . 1 }}}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: service.version={{ default $root.Chart.AppVersion $v.image.tag }},k8s.namespace.name={{ $root.Release.Namespace }},k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME)
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $v.telemetry.otlp.endpoint | quote }}}
- {name: OTEL_EXPORTER_OTLP_PROTOCOL, value: {{ $v.telemetry.otlp.protocol }}}
- {name: OTEL_TRACES_SAMPLER, value: {{ $v.telemetry.sampler.name }}}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ $v.telemetry.sampler.ratio | quote }}}
{{- with $v.telemetry.otlp.headersSecret }}
{{ include "crm.fromSecret" (list "OTEL_EXPORTER_OTLP_HEADERS" . "headers") }}
{{- end }}
{{- end }}
{{- if $v.tls.enabled }}
- {name: TLS_FOLDER, value: /etc/crm/tls}
{{- end }}
{{- end -}}

{{/* Where the services are; one that asks all of them asks itself the same way. Takes root. */}}
{{- define "crm.upstreams" -}}
{{- $root := . -}}
{{- range $name, $_ := include "crm.services" . | fromYaml }}
- {name: UPSTREAM_{{ $name | replace "-" "_" | upper }}, value: {{ include "crm.upstream" (list $root $name) | quote }}}
{{- end }}
{{- end -}}

{{/* Takes (list root service values). */}}
{{- define "crm.serviceEnv" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $one := index . 2 -}}
{{- $v := $root.Values -}}
{{- $database := include "crm.databaseSecret" . -}}
- {name: GRPC_ADDRESS, value: "0.0.0.0:50051"}
- {name: ADMIN_ADDRESS, value: "0.0.0.0:8090"}
- {name: GRPC_MAX_CONNECTION_AGE_SECONDS, value: {{ $v.grpc.maxConnectionAge | quote }}}
{{ include "crm.fromSecret" (list "DATABASE_URL" $database $one.database.key) }}
{{- with $one.database.directKey }}
{{ include "crm.fromSecret" (list "DATABASE_URL_DIRECT" $database .) }}
{{- end }}
- {name: POOL_SIZE, value: {{ $one.database.poolSize | quote }}}
{{ include "crm.fromSecret" (list "NATS_URL" $v.nats.existingSecret $name) }}
- {name: OIDC_ISSUER, value: {{ $v.oidc.issuer | quote }}}
- {name: OIDC_JWKS_URL, value: {{ $v.oidc.jwksUrl | quote }}}
- {name: OIDC_TOKEN_URL, value: {{ $v.oidc.tokenUrl | quote }}}
- {name: OIDC_AUDIENCE, value: {{ $v.oidc.audience | quote }}}
- {name: CLIENT_ID, value: services/{{ $name }}}
{{ include "crm.fromSecret" (list "CLIENT_SECRET" $v.oidc.clientsSecret $name) }}
{{ include "crm.fromSecret" (list "PAGE_TOKEN_KEY" $v.keys.existingSecret "pageTokenKey") }}
{{ include "crm.fromSecret" (list "PRIVACY_KEY" $v.keys.existingSecret "privacyKey") }}
- {name: COMPANY_ZONE, value: {{ $v.company.zone | quote }}}
- {name: COMPANY_COUNTRY, value: {{ $v.company.country | quote }}}
- {name: BOOTSTRAP_ADMIN, value: {{ $v.company.bootstrapAdmin | quote }}}
{{- with $one.filesUrl }}
- {name: FILES_URL, value: {{ . | quote }}}
{{- end }}
{{- include "crm.upstreams" $root }}
{{ include "crm.commonEnv" (list $root $name) }}
{{- end -}}

{{/* Takes root. */}}
{{- define "crm.gatewayEnv" -}}
- {name: HTTP_ADDRESS, value: "0.0.0.0:8080"}
- {name: GRPC_ADDRESS, value: "0.0.0.0:50051"}
- {name: ADMIN_ADDRESS, value: "0.0.0.0:8090"}
{{- include "crm.upstreams" . }}
{{ include "crm.commonEnv" (list . "gateway") }}
{{- end -}}
