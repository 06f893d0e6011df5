// Command coredns is CoreDNS with only the plugins that the lab's Corefile names; the full set takes minutes more to build.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/file"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
)

func main() {
	// The order is that of a query's way through the plugins, as in CoreDNS' own plugin.cfg.
	dnsserver.Directives = []string{
		"bind", "health", "ready", "errors", "cache", "loadbalance", "template", "kubernetes", "file",
	}
	coremain.Run()
}
