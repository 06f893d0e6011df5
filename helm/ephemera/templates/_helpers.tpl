{{- define "ephemera.fullname" -}}
{{- $name := contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "ephemera.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "ephemera.fullname" .) -}}
{{- end -}}

{{- define "ephemera.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ephemera.labels" -}}
{{ include "ephemera.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "ephemera.image" -}}
{{- with .Values.image -}}
{{- .repository -}}{{- if .digest -}}@{{ .digest }}{{- else -}}:{{ .tag | default $.Chart.AppVersion }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Says all that is missing at once, in words: the schema could only say that a string is too short. */ -}}
{{- define "ephemera.checkValues" -}}
{{- $missing := list -}}
{{- with .Values -}}
{{- if not (hasKey .images "toolbox") }}{{ $missing = append $missing "images.toolbox: which image is injected by default, as [repository@sha256:…]" }}{{ end -}}
{{- if not .database.existingSecret }}{{ $missing = append $missing (printf "database.existingSecret: the Secret whose key %s holds the address of your Postgres" .database.urlKey) }}{{ end -}}
{{- if not .redis.existingSecret }}{{ $missing = append $missing (printf "redis.existingSecret: the Secret whose key %s holds the address of your Redis" .redis.urlKey) }}{{ end -}}
{{- if not .s3.bucket }}{{ $missing = append $missing "s3.bucket: the bucket for artifacts" }}{{ end -}}
{{- if not (or .serviceAccount.create .serviceAccount.name) }}{{ $missing = append $missing "serviceAccount.name: which ServiceAccount to use, as none is created" }}{{ end -}}
{{- end -}}
{{- if $missing }}{{ fail (printf "Cannot install Ephemera: these values are missing\n- %s" (join "\n- " $missing)) }}{{ end -}}
{{- end -}}
