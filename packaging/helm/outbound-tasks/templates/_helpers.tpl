{{- define "outbound-tasks.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "outbound-tasks.selector" -}}
app.kubernetes.io/name: outbound-tasks
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "outbound-tasks.labels" -}}
{{ include "outbound-tasks.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "outbound-tasks.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* The settings as TOML. A list or a text in quotes is the same in JSON. A whole number may have become a float. */}}
{{- define "outbound-tasks.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }} = {{ if kindIs "float64" $value }}{{ int64 $value }}{{ else }}{{ toJson $value }}{{ end }}
{{- end }}
{{- if .Values.tls.secret }}
tls-cert = "/etc/outbound-tasks-tls/tls.crt"
tls-key = "/etc/outbound-tasks-tls/tls.key"
{{- end }}
{{- end -}}

{{- define "outbound-tasks.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "outbound-tasks.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
