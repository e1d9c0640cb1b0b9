{{/* What the pods of services, of the gateway, of Jobs and of tests have in common: nothing that `restricted` forbids. */}}

{{- define "crm.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "crm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* Where a pod may run and what it is given. Takes (list root values), where values may lack any of them. */}}
{{- define "crm.placement" -}}
{{- $root := index . 0 -}}
{{- $one := index . 1 -}}
automountServiceAccountToken: false
enableServiceLinks: false # or a Service called leads would set LEADS_PORT
securityContext: {{- include "crm.podSecurity" $root | nindent 2 }}
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "schedulerName" }}
{{- with get $one $field }}
{{ $field }}: {{- if kindIs "string" . }} {{ . }}{{ else }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A container of the image of a part. Takes (list root name command resources part). */}}
{{- define "crm.container" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
image: {{ include "crm.image" (list $root (index . 4)) | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: {{ index . 2 | toJson }}
securityContext: {{- include "crm.containerSecurity" $root | nindent 2 }}
resources: {{- toYaml (index . 3) | nindent 2 }}
{{- end -}}

{{- define "crm.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.tls.enabled }}
- name: tls
  secret: {secretName: {{ include "crm.tlsSecret" . }}}
{{- end }}
{{- end -}}

{{- define "crm.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/crm/tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "crm.tlsSecret" -}}
{{- default (printf "%s-tls" (include "crm.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* The pod of a Job or a test: it runs once, by the account `default`, of which it gets no token.
Takes (list root component values command env part), where part is the one whose image it runs. */}}
{{- define "crm.errand" -}}
{{- $root := index . 0 -}}
{{- $one := index . 2 -}}
metadata:
  labels: {{- include "crm.labels" (list $root (index . 1)) | nindent 4 }}
  {{- with $one.podLabels }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $one.podAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: default
  {{- include "crm.placement" (list $root $one) | nindent 2 }}
  containers:
    - {{- include "crm.container" (list $root (index . 1) (index . 3) $one.resources (index . 5)) | nindent 6 }}
      env: {{- index . 4 | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
{{- end -}}
