{{- /* Pod template of server and worker: root, component, main (file of src), measures. */ -}}
{{- define "ephemera.pod" -}}
{{- $component := .component -}}
{{- $settings := .root.Values.settings -}}
{{- $graceSeconds := hasKey $settings "EPHEMERA_SHUTDOWN_GRACE_SECONDS" | ternary $settings.EPHEMERA_SHUTDOWN_GRACE_SECONDS 20 | int -}}
{{- $leaveSeconds := hasKey $settings "EPHEMERA_LEAVE_SECONDS" | ternary $settings.EPHEMERA_LEAVE_SECONDS 5 | int -}}
{{- $main := .main -}}
{{- $measures := .measures -}}
{{- with .root -}}
metadata:
  labels:
    {{- include "ephemera.labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ $component }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "ephemera.serviceAccount" . }}
  # Mounted below: the one that comes by itself lives a year in most clusters.
  automountServiceAccountToken: false
  # A Service named ephemera would otherwise set EPHEMERA_PORT to tcp://….
  enableServiceLinks: false
  # What tools get, or callers where that is more; 15 s to end tools and write the last of them; and some room.
  terminationGracePeriodSeconds: {{ add (max $graceSeconds $leaveSeconds) 15 10 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  containers:
    - name: ephemera
      image: {{ include "ephemera.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [node, {{ $main }}]
      env:
        {{- include "ephemera.environment" (dict "root" . "measures" $measures) | nindent 8 }}
      ports:
        - {name: http, containerPort: 8090}
      # The first start of a version waits for its migrations.
      startupProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 150}
      livenessProbe: {httpGet: {path: /livez, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3}
      readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 5, timeoutSeconds: 5, failureThreshold: 3}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources:
        {{- toYaml (get .Values $component).resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
        {{- if .Values.extraCa.configMap }}
        - {name: extra-ca, mountPath: /etc/ephemera/ca, readOnly: true}
        {{- end }}
  volumes:
    - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
    - name: account
      projected:
        sources:
          - serviceAccountToken: {path: token, expirationSeconds: 3600}
          - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
          - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
    {{- with .Values.extraCa.configMap }}
    - {name: extra-ca, configMap: {name: {{ . }}}}
    {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "ephemera.selector" . | nindent 10 }}
          app.kubernetes.io/component: {{ $component }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "ephemera.environment" -}}
{{- $measures := .measures -}}
{{- with .root -}}
{{- $images := list -}}
{{- range $name, $references := .Values.images }}{{ $images = append $images (printf "%s=%s" $name (join "|" $references)) }}{{ end -}}
- {name: EPHEMERA_IMAGES, value: {{ join "," $images | quote }}}
- {name: EPHEMERA_WORK, value: {{ $measures | quote }}}
{{- if not (hasKey .Values.settings "EPHEMERA_LEAVE_SECONDS") }}
# Endpoints forget a pod a moment after it was told to stop; until then it goes on answering.
- {name: EPHEMERA_LEAVE_SECONDS, value: '5'}
{{- end }}
{{- if not (hasKey .Values.settings "EPHEMERA_REFUSED_NAMESPACES") }}
- {name: EPHEMERA_REFUSED_NAMESPACES, value: {{ printf "kube-system,%s" .Release.Namespace | quote }}}
{{- end }}
{{- if and .Values.rbac.namespaces (not (hasKey .Values.settings "EPHEMERA_NAMESPACES")) }}
- {name: EPHEMERA_NAMESPACES, value: {{ join "," .Values.rbac.namespaces | quote }}}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ kindIs "float64" $value | ternary (int64 $value) $value | quote }}}
{{- end }}
{{- with .Values.database }}
- {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .urlKey }}}}}
{{- if .directUrlKey }}
- {name: DATABASE_DIRECT_URL, valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .directUrlKey }}}}}
{{- end }}
{{- end }}
{{- with .Values.redis }}
- {name: REDIS_URL, valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .urlKey }}}}}
{{- end }}
{{- with .Values.s3 }}
- {name: S3_BUCKET, value: {{ .bucket | quote }}}
- {name: S3_REGION, value: {{ .region | quote }}}
{{- if .endpoint }}
- {name: S3_ENDPOINT, value: {{ .endpoint | quote }}}
{{- end }}
{{- if .prefix }}
- {name: S3_PREFIX, value: {{ .prefix | quote }}}
{{- end }}
{{- if .existingSecret }}
- {name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .accessKeyIdKey }}}}}
- {name: AWS_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .secretAccessKeyKey }}}}}
{{- end }}
{{- end }}
{{- if .Values.extraCa.configMap }}
- {name: NODE_EXTRA_CA_CERTS, value: {{ printf "/etc/ephemera/ca/%s" .Values.extraCa.key | quote }}}
{{- end }}
{{- end -}}
{{- end -}}
