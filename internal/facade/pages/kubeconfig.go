package pages

import (
	"cmp"

	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"
)

// kubeconfig is a configuration for kubectl with which everybody signs in as themselves: it holds no secret. It is "" where too
// little is known of the cluster. A namespace of "" leaves kubectl its own default.
func (c Cluster) kubeconfig(namespace string) string {
	if c.Server == "" || c.Issuer == "" || c.ClientID == "" {
		return ""
	}
	name := cmp.Or(c.Name, "enrol")
	text, err := yaml.Marshal(clientcmdv1.Config{
		APIVersion: "v1", Kind: "Config", CurrentContext: name,
		Clusters: []clientcmdv1.NamedCluster{{Name: name, Cluster: clientcmdv1.Cluster{
			Server: c.Server, CertificateAuthorityData: c.CA,
		}}},
		Contexts: []clientcmdv1.NamedContext{{Name: name, Context: clientcmdv1.Context{
			Cluster: name, AuthInfo: name, Namespace: namespace,
		}}},
		AuthInfos: []clientcmdv1.NamedAuthInfo{{Name: name, AuthInfo: clientcmdv1.AuthInfo{Exec: &clientcmdv1.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "kubectl",
			Args: []string{
				"oidc-login", "get-token", "--oidc-issuer-url=" + c.Issuer, "--oidc-client-id=" + c.ClientID,
				"--oidc-extra-scope=email", "--oidc-extra-scope=groups",
			},
			InteractiveMode: clientcmdv1.IfAvailableExecInteractiveMode,
			InstallHint:     "Install the plugin kubelogin: kubectl krew install oidc-login",
		}}}},
	})
	if err != nil {
		// All of it is text.
		panic(err)
	}
	return string(text)
}
