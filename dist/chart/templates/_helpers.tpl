{{- define "enrol.labels" -}}
app.kubernetes.io/name: enrol
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "enrol.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* Flags that both programs have. */}}
{{- define "enrol.sharedArgs" -}}
{{- with .Values.publicURL }}
- {{ printf "--public-url=%s" . | toJson }}
{{- end }}
{{- with .Values.usernameClaim }}
- {{ printf "--username-claim=%s" . | toJson }}
{{- end }}
{{- with .Values.usernamePrefix }}
- {{ printf "--username-prefix=%s" . | toJson }}
{{- end }}
{{- with .Values.groupsPrefix }}
- {{ printf "--groups-prefix=%s" . | toJson }}
{{- end }}
{{- if .Values.argocdLabelTracking }}
- --argocd-label-tracking
{{- end }}
{{- if .Values.verbose }}
- --verbose
{{- end }}
{{- end }}

{{- /* What each Pod says besides its container and volumes: a list of the component's name, its values and the root. */}}
{{- define "enrol.pod" -}}
{{- $component := index . 0 }}{{ $values := index . 1 }}{{ $root := index . 2 -}}
serviceAccountName: enrol-{{ $component }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- if gt (int $values.replicas) 1 }}
topologySpreadConstraints:
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "enrol.labels" $component | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The same for containers: a list of the component's name, its values and the root. */}}
{{- define "enrol.container" -}}
{{- $component := index . 0 }}{{ $values := index . 1 }}{{ $root := index . 2 -}}
name: {{ $component }}
image: {{ include "enrol.image" $root | quote }}
{{- with $root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
command: [/{{ $component }}]
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "enrol.facadePort" -}}
{{ ternary "https" "http" (ne .Values.facade.tls.secretName "") }}
{{- end }}
