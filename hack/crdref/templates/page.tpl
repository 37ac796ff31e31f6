{{- define "gvList" -}}
<!-- Made by `make generate` from the comments in api/v1alpha1. -->

# API reference

{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{- end -}}

{{- define "gvDetails" -}}
{{- $version := . -}}
Every field of `{{ .GroupVersionString }}`. What they mean together is in [concepts.md](../concepts.md); what the reasons
of conditions mean is in [conditions.go](../../api/v1alpha1/conditions.go). `kubectl explain` shows the same of a cluster.

Kinds:{{ range $i, $kind := .SortedKinds }}{{ if $i }},{{ end }} [{{ $kind }}](#{{ lower $kind }}){{ end }}.
{{ range .SortedKinds }}{{ template "type" ($version.TypeForKind .) }}{{ end }}
{{- range .SortedTypes }}{{ if not .GVK }}{{ template "type" . }}{{ end }}{{ end }}
{{- end -}}

{{- define "type" -}}
{{- if markdownShouldRenderType . }}
## {{ .Name }}

{{ replace "<" "&lt;" .Doc }}
{{- if .IsAlias }} {{ if eq .UnderlyingType.Name "string" }}A string.{{ else }}A list.{{ end }}{{ end }}
{{- if .References }}

Used in:{{ range $i, $user := .SortedReferences }}{{ if $i }},{{ end }} {{ markdownRenderTypeLink $user }}{{ end }}.
{{- end }}
{{- template "values" . }}
{{- template "typeRules" . }}
{{- if .Members }}

| field | type | meaning | rules |
| --- | --- | --- | --- |
{{- range .Members }}
| `{{ .Name }}` | {{ markdownRenderType .Type }} | {{ template "meaning" . }} | {{ template "fieldRules" . }} |
{{- end }}
{{- end }}
{{ end }}
{{- end -}}

{{- /* Values with a comment of their own make a table, others a line. */ -}}
{{- define "values" -}}
{{- $documented := false }}{{ range .EnumValues }}{{ if .Doc }}{{ $documented = true }}{{ end }}{{ end }}
{{- if $documented }}

| value | meaning |
| --- | --- |
{{- range .EnumValues }}
| `{{ .Name }}` | {{ template "cell" .Doc }} |
{{- end }}
{{- else if .EnumValues }}

Values:{{ range $i, $value := .EnumValues }}{{ if $i }},{{ end }} `{{ $value.Name | default "\"\"" }}`{{ end }}.
{{- end }}
{{- end -}}

{{- define "typeRules" -}}
{{- $rules := list }}{{ $values := .EnumValues }}
{{- range .Validation }}{{ if not (and $values (hasPrefix "Enum:" .)) }}{{ $rules = append $rules . }}{{ end }}{{ end }}
{{- $written := index .Markers "kubebuilder:validation:XValidation" }}
{{- if or $rules $written }}

Rules:
{{ range $rules }}
* {{ template "rule" . }}
{{- end }}
{{- range $written }}
* {{ replace "<" "&lt;" .Message }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The rules of a type with a section of its own are there, and not at each field. */ -}}
{{- define "fieldRules" -}}
{{- $there := .Type.Validation }}
{{- if .Type.UnderlyingType }}{{ $there = concat $there .Type.UnderlyingType.Validation }}{{ end }}
{{- $rules := list }}
{{- range .Validation }}
{{- if not (or (has . $there) (has . (list "Required: {}" "Optional: {}" "Type: string"))) }}{{ $rules = append $rules . }}{{ end }}
{{- end }}
{{- $parts := list }}
{{- if has "Required: {}" .Validation }}required{{ $parts = append $parts "" }}{{ end }}
{{- if and .Default (not (hasPrefix "{" .Default)) }}
{{- if $parts }}<br>{{ end }}Default: `{{ if regexMatch "^[0-9.]+e" .Default }}{{ int64 (float64 .Default) }}{{ else }}{{ .Default }}{{ end }}`
{{- $parts = append $parts "" }}
{{- end }}
{{- range $rules }}{{ if $parts }}<br>{{ end }}{{ template "rule" (replace "|" "\\|" .) }}{{ $parts = append $parts "" }}{{ end }}
{{- end -}}

{{- /* Numbers in full, and patterns in a fence that their own backticks do not end. */ -}}
{{- define "rule" -}}
{{- if regexMatch "^(Max|Min)imum: " . }}{{ $number := splitn ": " 2 . }}{{ $number._0 }}: {{ int64 (float64 $number._1) }}
{{- else if contains "Pattern: `" . }}
{{- regexReplaceAll "Pattern: `(.*)`$" . "Pattern: `` ${1} ``" | replace "items:" "each: " }}
{{- else }}{{ replace "items:" "each: " . | replace "Enum: [" "One of: [" }}{{ end }}
{{- end -}}

{{- define "meaning" -}}
{{- if eq .Name "metadata" }}the standard metadata{{ else }}{{ template "cell" .Doc }}{{ end -}}
{{- end -}}

{{- define "cell" -}}
{{ . | replace "<" "&lt;" | replace "\n\n" "<br>" | replace "\n" " " | replace "|" "\\|" }}
{{- end -}}
