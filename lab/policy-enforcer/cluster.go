package main

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// What a namespace may ask for its pods: that traffic its policies deny is refused at once, instead of dropped.
const (
	deniedAnnotation = "lab.ephemera.dev/denied-traffic"
	rejected         = "reject"
)

// cluster is what the table follows from. Its pods are those with addresses of their own.
type cluster struct {
	pods       []*corev1.Pod
	namespaces map[string]*corev1.Namespace
	policies   []*netv1.NetworkPolicy
}

// direction of traffic as its pod sees it. peer and own say which address of a packet is whose, in nft's words.
type direction struct {
	policyType netv1.PolicyType
	name       string
	peer, own  string
}

var (
	ingress = direction{netv1.PolicyTypeIngress, "ingress", "saddr", "daddr"}
	egress  = direction{netv1.PolicyTypeEgress, "egress", "daddr", "saddr"}
)

// policiesFor returns the policies that guard the pod in one direction.
func (c *cluster) policiesFor(pod *corev1.Pod, way direction) (found []*netv1.NetworkPolicy) {
	for _, policy := range c.policies {
		// The API server fills in policyTypes where they are left out.
		if policy.Namespace == pod.Namespace && slices.Contains(policy.Spec.PolicyTypes, way.policyType) && matches(&policy.Spec.PodSelector, pod.Labels) {
			found = append(found, policy)
		}
	}
	return found
}

// podsOf returns the pods that a peer's selectors choose, for a policy of this namespace.
func (c *cluster) podsOf(peer netv1.NetworkPolicyPeer, namespace string) (chosen []*corev1.Pod) {
	for _, pod := range c.pods {
		isIn := pod.Namespace == namespace
		if peer.NamespaceSelector != nil {
			its, isKnown := c.namespaces[pod.Namespace]
			isIn = isKnown && matches(peer.NamespaceSelector, its.Labels)
		}
		if isIn && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels)) {
			chosen = append(chosen, pod)
		}
	}
	return chosen
}

func (c *cluster) rejects(namespace string) bool {
	its, isKnown := c.namespaces[namespace]
	return isKnown && its.Annotations[deniedAnnotation] == rejected
}

// matches is false for a selector that cannot be read, which the API server does not let in.
func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

func addressesOf(pod *corev1.Pod) (addresses []netip.Addr) {
	for _, its := range pod.Status.PodIPs {
		if address, err := netip.ParseAddr(its.IP); err == nil {
			addresses = append(addresses, address)
		}
	}
	return addresses
}
