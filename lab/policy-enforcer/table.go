package main

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Taking the lab down removes it by this name.
const tableName = "ephemera_lab_policies"

// table returns a script for nft that replaces the whole table. A pod that no policy guards stands nowhere in it.
//
// The hook lies behind kube-proxy's DNAT, so a Service's traffic has the address and port of the pod by then, and before the filters of
// iptables. What the node itself sends or gets does not come by: policies never cut a pod from its node. Of UDP, an answer is what goes
// back to where a packet came from.
func (c *cluster) table() string {
	var chains, rules strings.Builder
	for _, way := range []direction{egress, ingress} {
		jumps := map[string][]string{}
		for _, pod := range c.pods {
			chain, isGuarded := c.chain(pod, way)
			if !isGuarded {
				continue
			}
			chains.WriteString(chain)
			for _, address := range addressesOf(pod) {
				jumps[family(address)] = append(jumps[family(address)], fmt.Sprintf("%s : jump %s", address, chainName(pod, way)))
			}
		}
		for _, family := range []string{"ip", "ip6"} {
			if len(jumps[family]) > 0 {
				fmt.Fprintf(&rules, "  %s %s vmap { %s }\n", family, way.own, strings.Join(jumps[family], ", "))
			}
		}
	}
	script := fmt.Sprintf("table inet %s\ndelete table inet %s\n", tableName, tableName)
	if rules.Len() == 0 {
		return script
	}
	return script + fmt.Sprintf(`table inet %s {
%s chain forward {
  type filter hook forward priority -5; policy accept;
  ct state established,related accept
%s }
}
`, tableName, chains.String(), rules.String())
}

// chain ends in "return" for what may pass, which another chain may still deny.
func (c *cluster) chain(pod *corev1.Pod, way direction) (text string, isGuarded bool) {
	policies := c.policiesFor(pod, way)
	if len(policies) == 0 {
		return "", false
	}
	var b strings.Builder
	fmt.Fprintf(&b, " chain %s {\n", chainName(pod, way))
	// A pod may always talk to itself, through a Service too.
	for _, address := range addressesOf(pod) {
		fmt.Fprintf(&b, "  %s %s %s return\n", family(address), way.peer, address)
	}
	for _, policy := range policies {
		for _, condition := range c.allowed(pod, policy, way) {
			fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(condition+" return"))
		}
	}
	verdict := "drop"
	if c.rejects(pod.Namespace) {
		// Not a reset: on a bridge the kernel sends that from the pod's address, and whoever asked a Service does not know it.
		verdict = "reject with icmpx port-unreachable"
	}
	fmt.Fprintf(&b, "  counter %s comment \"%.120s\"\n }\n", verdict, pod.Namespace+"/"+pod.Name)
	return b.String(), true
}

func chainName(pod *corev1.Pod, way direction) string { return way.name + "-" + string(pod.UID) }
