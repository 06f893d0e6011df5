// Command policy-enforcer holds the pods of this node to their NetworkPolicies, beside any network plugin whose traffic between pods
// passes the host's forward hook: it watches pods, namespaces and policies, and keeps one table of nftables that drops, or rejects,
// what they do not allow.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// Changes come in groups, as when a Deployment starts its pods: they are gathered so long before the table is written.
	gather = 50 * time.Millisecond
	retry  = time.Second
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "of an account that may list and watch pods, namespaces and networkpolicies")
	address := flag.String("health", "127.0.0.1:10258", "where it answers 200 while the table holds what the policies ask for")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	state := &health{}
	state.set("pods, namespaces and policies have not been read yet")
	go func() { log.Fatal(http.ListenAndServe(*address, state)) }()
	watched, err := watch(ctx, client)
	if err != nil {
		log.Fatal(err)
	}
	enforce(ctx, watched, state)
	if err := load((&cluster{}).table()); err != nil {
		log.Fatal(err)
	}
}

// enforce writes the table anew after each change that matters to it, until the context ends.
func enforce(ctx context.Context, watched *watched, state *health) {
	loaded := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-watched.changed:
		}
		time.Sleep(gather)
		table := watched.cluster().table()
		if table == loaded {
			continue
		}
		if err := load(table); err != nil {
			state.set(err.Error())
			log.Printf("%v; the table:\n%s", err, table)
			time.AfterFunc(retry, watched.change)
			continue
		}
		loaded = table
		state.set("")
		log.Print("the table is written")
	}
}
