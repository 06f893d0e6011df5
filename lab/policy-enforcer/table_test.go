package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

const (
	web      = "ingress-web"
	webOut   = "egress-web"
	everyone = `{metadata: {namespace: shop, name: p}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`
)

func read[T any](t *testing.T, text string) *T {
	t.Helper()
	value := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// shop has web (IPv4 and IPv6) and client; the namespace back, labelled tier=back, has db. All have a named port.
func newCluster(t *testing.T, policies ...string) *cluster {
	t.Helper()
	c := &cluster{namespaces: map[string]*corev1.Namespace{}}
	for _, text := range []string{`{metadata: {name: shop}}`, `{metadata: {name: back, labels: {tier: back}}}`} {
		namespace := read[corev1.Namespace](t, text)
		c.namespaces[namespace.Name] = namespace
	}
	for _, text := range []string{
		`{metadata: {uid: web, namespace: shop, name: web, labels: {app: web}}, status: {podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]},
		  spec: {containers: [{name: a, ports: [{name: http, protocol: TCP, containerPort: 8080}, {name: dns, protocol: UDP, containerPort: 53}]}]}}`,
		`{metadata: {uid: client, namespace: shop, name: client, labels: {app: client}}, status: {podIPs: [{ip: 10.0.0.2}]},
		  spec: {containers: [{name: a}], initContainers: [{name: b, ports: [{name: http, protocol: TCP, containerPort: 9090}]}]}}`,
		`{metadata: {uid: db, namespace: back, name: db, labels: {app: db}}, status: {podIPs: [{ip: 10.0.0.3}]},
		  spec: {containers: [{name: a, ports: [{name: http, protocol: TCP, containerPort: 5432}]}]}}`,
	} {
		c.pods = append(c.pods, read[corev1.Pod](t, text))
	}
	for _, text := range policies {
		c.policies = append(c.policies, read[netv1.NetworkPolicy](t, text))
	}
	checkByNft(t, c.table())
	return c
}

// checkByNft lets nft read the table without using it.
func checkByNft(t *testing.T, table string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil || os.Geteuid() != 0 {
		return
	}
	if err := nft(table, "--check", "--file", "-"); err != nil {
		t.Errorf("%v\n%s", err, table)
	}
}

// rulesOf returns the rules of one chain; nil where there is none.
func rulesOf(c *cluster, chain string) (rules []string) {
	_, rest, _ := strings.Cut(c.table(), " chain "+chain+" {\n")
	body, _, isThere := strings.Cut(rest, "\n }")
	if !isThere {
		return nil
	}
	for line := range strings.SplitSeq(body, "\n") {
		rules = append(rules, strings.TrimSpace(line))
	}
	return rules
}

// expect compares a chain's rules, without those for the pod itself and the last one, with what may pass.
func expect(t *testing.T, c *cluster, chain string, conditions ...string) {
	t.Helper()
	var passing []string
	for _, rule := range rulesOf(c, chain) {
		condition, passes := strings.CutSuffix(rule, "return")
		condition = strings.TrimSpace(condition)
		isOwn := condition == "ip saddr 10.0.0.1" || condition == "ip6 saddr fd00::1" || condition == "ip daddr 10.0.0.1" || condition == "ip6 daddr fd00::1"
		if passes && !isOwn {
			passing = append(passing, condition)
		}
	}
	if !slices.Equal(passing, conditions) {
		t.Errorf("%s lets through %q instead of %q", chain, passing, conditions)
	}
}

func TestNothingIsWrittenWithoutPolicies(t *testing.T) {
	if table := newCluster(t).table(); strings.Contains(table, "chain") {
		t.Error(table)
	}
}

func TestOnlyGuardedPodsAreInTheTable(t *testing.T) {
	c := newCluster(t, `{metadata: {namespace: shop, name: p}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}}`)
	if rulesOf(c, web) == nil || rulesOf(c, webOut) != nil || rulesOf(c, "ingress-client") != nil {
		t.Error(c.table())
	}
	if table := c.table(); !strings.Contains(table, "ip daddr vmap { 10.0.0.1 : jump ingress-web }") ||
		!strings.Contains(table, "ip6 daddr vmap { fd00::1 : jump ingress-web }") || strings.Contains(table, "saddr vmap") {
		t.Error(table)
	}
	if rulesOf(newCluster(t, everyone), "ingress-db") != nil {
		t.Error("a policy guards pods of other namespaces")
	}
}

func TestAPodReachesItselfAndNobodyElse(t *testing.T) {
	want := []string{"ip saddr 10.0.0.1 return", "ip6 saddr fd00::1 return", `counter drop comment "shop/web"`}
	if got := rulesOf(newCluster(t, everyone), web); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestANamespaceMayAskForRejection(t *testing.T) {
	c := newCluster(t, everyone)
	c.namespaces["shop"].Annotations = map[string]string{deniedAnnotation: rejected}
	checkByNft(t, c.table())
	for _, chain := range []string{web, webOut} {
		if rules := rulesOf(c, chain); rules[len(rules)-1] != `counter reject with icmpx port-unreachable comment "shop/web"` {
			t.Errorf("%q", rules)
		}
	}
}

func TestPodsWithoutAddressesOfTheirOwnAreLeftOut(t *testing.T) {
	for text, want := range map[string]bool{
		`{status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}}`:                              true,
		`{status: {phase: Pending, podIPs: []}}`:                                            false,
		`{status: {phase: Succeeded, podIPs: [{ip: 10.0.0.1}]}}`:                            false,
		`{status: {phase: Failed, podIPs: [{ip: 10.0.0.1}]}}`:                               false,
		`{spec: {hostNetwork: true, containers: []}, status: {podIPs: [{ip: 192.0.2.10}]}}`: false,
	} {
		if got := hasNetwork(read[corev1.Pod](t, text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
