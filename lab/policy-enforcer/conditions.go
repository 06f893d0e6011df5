package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// peer is who may be on the other side: what a packet's address must match, in nft's words (empty: any), and the pod it belongs to (nil:
// any, or none).
type peer struct {
	condition string
	pod       *corev1.Pod
}

// allowed returns what a packet of the pod must match to pass, in nft's words: any one of these, each empty for "everything".
func (c *cluster) allowed(pod *corev1.Pod, policy *netv1.NetworkPolicy, way direction) (conditions []string) {
	add := func(peers []netv1.NetworkPolicyPeer, ports []netv1.NetworkPolicyPort) {
		for _, other := range c.peers(peers, policy.Namespace, way) {
			receiver := pod
			if way == egress {
				receiver = other.pod
			}
			for _, condition := range c.portConditions(ports, receiver) {
				if both := strings.TrimSpace(other.condition + " " + condition); !mixesFamilies(both) {
					conditions = append(conditions, both)
				}
			}
		}
	}
	if way == ingress {
		for _, rule := range policy.Spec.Ingress {
			add(rule.From, rule.Ports)
		}
	} else {
		for _, rule := range policy.Spec.Egress {
			add(rule.To, rule.Ports)
		}
	}
	return conditions
}

func (c *cluster) peers(named []netv1.NetworkPolicyPeer, namespace string, way direction) (found []peer) {
	if len(named) == 0 {
		return []peer{{}}
	}
	for _, one := range named {
		if one.IPBlock != nil {
			if condition, ok := blockCondition(one.IPBlock, way); ok {
				found = append(found, peer{condition, nil})
			}
			continue
		}
		for _, pod := range c.podsOf(one, namespace) {
			for _, address := range addressesOf(pod) {
				found = append(found, peer{fmt.Sprintf("%s %s %s", family(address), way.peer, address), pod})
			}
		}
	}
	return found
}

// blockCondition allows nothing where a block cannot be read, which the API server does not let in.
func blockCondition(block *netv1.IPBlock, way direction) (condition string, ok bool) {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return "", false
	}
	condition = fmt.Sprintf("%s %s %s", family(prefix.Addr()), way.peer, prefix.Masked())
	// One by one: a set of nft may not have parts that overlap.
	for _, text := range block.Except {
		except, err := netip.ParsePrefix(text)
		if err != nil {
			return "", false
		}
		condition += fmt.Sprintf(" %s %s != %s", family(except.Addr()), way.peer, except.Masked())
	}
	return condition, true
}

// portConditions needs the pod that receives, for a named port is each pod's own; nil: any pod.
func (c *cluster) portConditions(ports []netv1.NetworkPolicyPort, receiver *corev1.Pod) (conditions []string) {
	if len(ports) == 0 {
		return []string{""}
	}
	for _, port := range ports {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		word := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			conditions = append(conditions, "meta l4proto "+word)
		case port.Port.Type == intstr.Int && port.EndPort != nil:
			conditions = append(conditions, fmt.Sprintf("%s dport %d-%d", word, port.Port.IntVal, *port.EndPort))
		case port.Port.Type == intstr.Int:
			conditions = append(conditions, fmt.Sprintf("%s dport %d", word, port.Port.IntVal))
		case receiver != nil:
			for _, number := range numbersOf(receiver, port.Port.StrVal, protocol) {
				conditions = append(conditions, fmt.Sprintf("%s dport %d", word, number))
			}
		default:
			for _, pod := range c.pods {
				for _, number := range numbersOf(pod, port.Port.StrVal, protocol) {
					for _, address := range addressesOf(pod) {
						conditions = append(conditions, fmt.Sprintf("%s daddr %s %s dport %d", family(address), address, word, number))
					}
				}
			}
		}
	}
	return conditions
}

// numbersOf looks through the pod's containers; those that start first may be sidecars.
func numbersOf(pod *corev1.Pod, name string, protocol corev1.Protocol) (numbers []int32) {
	for _, container := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
		for _, port := range container.Ports {
			// The API server fills in the protocol where it is left out.
			if port.Name == name && port.Protocol == protocol {
				numbers = append(numbers, port.ContainerPort)
			}
		}
	}
	return numbers
}

// mixesFamilies tells of a condition that no packet meets; nft refuses the whole table for it.
func mixesFamilies(condition string) bool {
	words := strings.Fields(condition)
	return slices.Contains(words, "ip") && slices.Contains(words, "ip6")
}

func family(address netip.Addr) string {
	if address.Is4() {
		return "ip"
	}
	return "ip6"
}
