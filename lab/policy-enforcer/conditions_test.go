package main

import (
	"fmt"
	"testing"
)

// withIngress is a policy for web with these rules; withEgress the same the other way.
func withIngress(rules string) string {
	return fmt.Sprintf(`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: %s}}`, rules)
}

func withEgress(rules string) string {
	return fmt.Sprintf(`{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: %s}}`, rules)
}

func TestAnEmptyRuleAllowsEverything(t *testing.T) {
	expect(t, newCluster(t, withIngress(`[{}]`)), web, "")
	expect(t, newCluster(t, withEgress(`[{}]`)), webOut, "")
}

func TestWhatAnyPolicyAllowsPasses(t *testing.T) {
	c := newCluster(t, withIngress(`[{ports: [{port: 1}]}]`), withIngress(`[{ports: [{port: 2}]}]`))
	expect(t, c, web, "tcp dport 1", "tcp dport 2")
}

func TestPeersAreChosenByPodAndNamespace(t *testing.T) {
	for peer, conditions := range map[string][]string{
		`{podSelector: {matchLabels: {app: client}}}`:                                          {"ip saddr 10.0.0.2"},
		`{podSelector: {matchLabels: {app: db}}}`:                                              nil,
		`{namespaceSelector: {matchLabels: {tier: back}}}`:                                     {"ip saddr 10.0.0.3"},
		`{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}`:                       {"ip saddr 10.0.0.3"},
		`{namespaceSelector: {matchLabels: {tier: back}}, podSelector: {matchLabels: {a: b}}}`: nil,
		`{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}`:      {"ip saddr 10.0.0.2"},
	} {
		expect(t, newCluster(t, withIngress(`[{from: [`+peer+`]}]`)), web, conditions...)
	}
}

func TestABlockHasExceptions(t *testing.T) {
	c := newCluster(t, withEgress(`[{to: [{ipBlock: {cidr: 10.1.2.3/8, except: [10.1.0.0/16, 10.1.2.0/24]}}, {ipBlock: {cidr: "fd00::/8"}}]}]`))
	expect(t, c, webOut, "ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16 ip daddr != 10.1.2.0/24", "ip6 daddr fd00::/8")
}

func TestABlockThatCannotBeReadAllowsNothing(t *testing.T) {
	for _, block := range []string{`{cidr: x}`, `{cidr: 10.0.0.0/8, except: [x]}`} {
		expect(t, newCluster(t, withIngress(`[{from: [{ipBlock: `+block+`}]}]`)), web)
	}
}

func TestPortsAreNumbersRangesNamesAndProtocols(t *testing.T) {
	for port, condition := range map[string]string{
		`{port: 80}`:                  "tcp dport 80",
		`{port: 53, protocol: UDP}`:   "udp dport 53",
		`{port: 1, protocol: SCTP}`:   "sctp dport 1",
		`{port: 80, endPort: 90}`:     "tcp dport 80-90",
		`{protocol: UDP}`:             "meta l4proto udp",
		`{port: http}`:                "tcp dport 8080",
		`{port: dns, protocol: UDP}`:  "udp dport 53",
		`{port: http, protocol: TCP}`: "tcp dport 8080",
	} {
		expect(t, newCluster(t, withIngress(`[{ports: [`+port+`]}]`)), web, condition)
	}
	expect(t, newCluster(t, withIngress(`[{ports: [{port: nope}]}]`)), web)
	expect(t, newCluster(t, withIngress(`[{ports: [{port: dns}]}]`)), web)
}

func TestEachPeerHasEachPort(t *testing.T) {
	c := newCluster(t, withIngress(`[{from: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}], ports: [{port: 1}, {port: 2}]}]`))
	expect(t, c, web, "ip saddr 10.0.0.2 tcp dport 1", "ip saddr 10.0.0.2 tcp dport 2", "ip saddr 10.0.0.3 tcp dport 1", "ip saddr 10.0.0.3 tcp dport 2")
}

func TestANamedPortOfEgressIsTheReceivers(t *testing.T) {
	c := newCluster(t, withEgress(`[{to: [{namespaceSelector: {matchLabels: {tier: back}}}], ports: [{port: http}]}]`))
	expect(t, c, webOut, "ip daddr 10.0.0.3 tcp dport 5432")
	c = newCluster(t, withEgress(`[{ports: [{port: http}]}]`))
	expect(t, c, webOut, "ip daddr 10.0.0.1 tcp dport 8080", "ip6 daddr fd00::1 tcp dport 8080", "ip daddr 10.0.0.2 tcp dport 9090", "ip daddr 10.0.0.3 tcp dport 5432")
	c = newCluster(t, withEgress(`[{to: [{ipBlock: {cidr: 10.0.0.2/31}}], ports: [{port: http}]}]`))
	expect(t, c, webOut, "ip daddr 10.0.0.2/31 ip daddr 10.0.0.1 tcp dport 8080", "ip daddr 10.0.0.2/31 ip daddr 10.0.0.2 tcp dport 9090", "ip daddr 10.0.0.2/31 ip daddr 10.0.0.3 tcp dport 5432")
}
