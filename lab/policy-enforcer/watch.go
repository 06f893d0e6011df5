package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	netv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	netlisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// watched is the cluster as it changes.
type watched struct {
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   netlisters.NetworkPolicyLister
	// Gets a value after a change; several changes may share one.
	changed chan struct{}
}

// watch returns when everything has been read once.
func watch(ctx context.Context, client kubernetes.Interface) (*watched, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	w := &watched{pods.Lister(), namespaces.Lister(), policies.Lister(), make(chan struct{}, 1)}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { w.change() },
		UpdateFunc: func(any, any) { w.change() },
		DeleteFunc: func(any) { w.change() },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	factory.Start(ctx.Done())
	for kind, isRead := range factory.WaitForCacheSync(ctx.Done()) {
		if !isRead {
			return nil, errors.New("cannot read every " + kind.Elem().Name())
		}
	}
	w.change()
	return w, nil
}

func (w *watched) change() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// cluster copies what counts now, in an order that does not depend on when it was read.
func (w *watched) cluster() *cluster {
	c := &cluster{namespaces: map[string]*corev1.Namespace{}}
	// A lister of a local cache gives no error.
	pods, _ := w.pods.List(labels.Everything())
	namespaces, _ := w.namespaces.List(labels.Everything())
	c.policies, _ = w.policies.List(labels.Everything())
	for _, pod := range pods {
		if hasNetwork(pod) {
			c.pods = append(c.pods, pod)
		}
	}
	for _, namespace := range namespaces {
		c.namespaces[namespace.Name] = namespace
	}
	slices.SortFunc(c.pods, func(a, b *corev1.Pod) int { return strings.Compare(string(a.UID), string(b.UID)) })
	slices.SortFunc(c.policies, func(a, b *netv1.NetworkPolicy) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return c
}

// hasNetwork tells whether the pod has addresses that are its own: not the node's, and not those of a pod that has ended, which
// another pod may get.
func hasNetwork(pod *corev1.Pod) bool {
	hasEnded := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	return !pod.Spec.HostNetwork && !hasEnded && len(pod.Status.PodIPs) > 0
}
