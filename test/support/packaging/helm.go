package main

import (
	"encoding/json"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

type chartRequest struct {
	Chart       string
	Name        string
	Namespace   string
	Upgrade     bool
	Values      map[string]any
	KubeVersion string
	APIVersions []string
}

// What `helm template` does: defaults and values are merged, checked against the chart's schema, and rendered strictly.
func renderChart(input *json.Decoder) (any, error) {
	var request chartRequest
	if err := input.Decode(&request); err != nil {
		return nil, err
	}
	chart, err := loader.Load(request.Chart)
	if err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	if request.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(request.KubeVersion)
		if err != nil {
			return nil, err
		}
		capabilities.KubeVersion = *version
	}
	capabilities.APIVersions = append(capabilities.APIVersions, request.APIVersions...)
	release := chartutil.ReleaseOptions{
		Name: request.Name, Namespace: request.Namespace, Revision: 1, IsInstall: !request.Upgrade, IsUpgrade: request.Upgrade,
	}
	values, err := chartutil.ToRenderValues(chart, request.Values, release, capabilities)
	if err != nil {
		return nil, err
	}
	supported := chartutil.IsCompatibleRange(chart.Metadata.KubeVersion, capabilities.KubeVersion.String())
	files, err := engine.Engine{Strict: true}.Render(chart, values)
	return map[string]any{"files": files, "supported": supported}, err
}
