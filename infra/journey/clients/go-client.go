// What programs written with client-go do: run as `go run go-client.go KUBECONFIG`, prints one line a step, fails with what differs.
// Typed calls and informers speak protobuf.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/retry"
)

const ns = "golang"

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}
func equal(seen, wanted interface{}) {
	a, _ := json.Marshal(seen)
	b, _ := json.Marshal(wanted)
	if string(a) != string(b) {
		panic(fmt.Sprintf("saw %s, wanted %s", a, b))
	}
}
func eventually(what string, check func() bool) {
	for i := 0; i < 300; i++ {
		if check() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	panic(what + ": not within 30 s")
}

func cm(name string, data map[string]string) *v1.ConfigMap {
	return &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"from": "go"}}, Data: data}
}

func typed(c kubernetes.Interface) {
	maps := c.CoreV1().ConfigMaps(ns)
	made, err := maps.Create(ctx, cm("a", map[string]string{"x": "1"}), metav1.CreateOptions{})
	must(err)
	equal(made.Data, map[string]string{"x": "1"})
	_, err = maps.Create(ctx, cm("a", nil), metav1.CreateOptions{})
	equal(apierrors.IsAlreadyExists(err), true)
	stale := made.DeepCopy()
	made.Data["y"] = "2"
	made, err = maps.Update(ctx, made, metav1.UpdateOptions{})
	must(err)
	_, err = maps.Update(ctx, stale, metav1.UpdateOptions{})
	equal(apierrors.IsConflict(err), true)
	must(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		m, err := maps.Get(ctx, "a", metav1.GetOptions{})
		if err != nil {
			return err
		}
		m.Data["z"] = "3"
		_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
		return err
	}))
	for kind, body := range map[types.PatchType]string{types.JSONPatchType: `[{"op":"add","path":"/data/j","value":"1"}]`, types.MergePatchType: `{"data":{"m":"1"}}`, types.StrategicMergePatchType: `{"data":{"s":"1"}}`} {
		_, err = maps.Patch(ctx, "a", kind, []byte(body), metav1.PatchOptions{})
		must(err)
	}
	force := true
	_, err = maps.Patch(ctx, "a", types.ApplyPatchType, []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"9"}}`), metav1.PatchOptions{FieldManager: "go"})
	equal(apierrors.IsConflict(err), true)
	made, err = maps.Patch(ctx, "a", types.ApplyPatchType, []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"9"}}`), metav1.PatchOptions{FieldManager: "go", Force: &force})
	must(err)
	equal(made.Data, map[string]string{"x": "9", "y": "2", "z": "3", "j": "1", "m": "1", "s": "1"})
	_, err = maps.Create(ctx, cm("BAD", nil), metav1.CreateOptions{})
	equal(apierrors.IsInvalid(err), true)
	_, err = maps.Get(ctx, "nope", metav1.GetOptions{})
	equal(apierrors.IsNotFound(err), true)
	for i := 0; i < 5; i++ {
		_, err = maps.Create(ctx, cm(fmt.Sprintf("p%d", i), nil), metav1.CreateOptions{})
		must(err)
	}
	seen := 0
	opts := metav1.ListOptions{LabelSelector: "from=go", Limit: 2}
	for {
		page, err := maps.List(ctx, opts)
		must(err)
		seen += len(page.Items)
		if page.Continue == "" {
			break
		}
		opts.Continue = page.Continue
	}
	equal(seen, 6)
	must(maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "from=go"}))
	left, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "from=go"})
	must(err)
	equal(len(left.Items), 0)
	dep := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "busybox", Command: []string{"sh", "-c", "echo begins; sleep 3600"}}}}}}}
	_, err = c.AppsV1().Deployments(ns).Create(ctx, dep, metav1.CreateOptions{})
	must(err)
	eventually("a replica", func() bool {
		d, err := c.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
		must(err)
		return d.Status.ReadyReplicas == 1
	})
	scale, err := c.AppsV1().Deployments(ns).GetScale(ctx, "web", metav1.GetOptions{})
	must(err)
	equal(scale.Spec.Replicas, 1)
}

func informed(c kubernetes.Interface) {
	factory := informers.NewSharedInformerFactoryWithOptions(c, 0, informers.WithNamespace(ns))
	var mu sync.Mutex
	var seen []string
	add := func(what string, o interface{}) {
		mu.Lock()
		defer mu.Unlock()
		if s, ok := o.(*v1.Secret); ok && s.Type == "Opaque" {
			seen = append(seen, what+" "+s.Name)
		}
	}
	inf := factory.Core().V1().Secrets().Informer()
	inf.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(o interface{}) { add("add", o) }, UpdateFunc: func(_, o interface{}) { add("update", o) }, DeleteFunc: func(o interface{}) { add("delete", o) }})
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	secrets := c.CoreV1().Secrets(ns)
	s, err := secrets.Create(ctx, &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Data: map[string][]byte{"a": []byte("\x00\xff")}}, metav1.CreateOptions{})
	must(err)
	equal(s.Data["a"], []byte("\x00\xff"))
	s.StringData = map[string]string{"b": "c"}
	_, err = secrets.Update(ctx, s, metav1.UpdateOptions{})
	must(err)
	must(secrets.Delete(ctx, "s", metav1.DeleteOptions{}))
	eventually("three events", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) >= 3 })
	equal(seen, []string{"add s", "update s", "delete s"})
	close(stop)
}

func dynamics(cfg *rest.Config) {
	d := dynamic.NewForConfigOrDie(cfg)
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	crd := &unstructured.Unstructured{}
	must(crd.UnmarshalJSON([]byte(`{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"cogs.go.example.com"},"spec":{"group":"go.example.com","scope":"Namespaced","names":{"plural":"cogs","kind":"Cog"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}]}}`)))
	_, err := d.Resource(crds).Create(ctx, crd, metav1.CreateOptions{})
	must(err)
	disc := memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(cfg))
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(disc)
	eventually("the mapping", func() bool {
		mapper.Reset()
		m, err := mapper.RESTMapping(schema.GroupKind{Group: "go.example.com", Kind: "Cog"})
		return err == nil && m.Resource.Resource == "cogs" && m.Scope.Name() == "namespace"
	})
	_, lists, err := disc.ServerGroupsAndResources()
	must(err)
	if len(lists) < 20 {
		panic("few groups")
	}
	gvr := schema.GroupVersionResource{Group: "go.example.com", Version: "v1", Resource: "cogs"}
	var mu sync.Mutex
	var seen []string
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(d, 0, ns, nil)
	note := func(what string) func(interface{}) {
		return func(o interface{}) { mu.Lock(); defer mu.Unlock(); seen = append(seen, what) }
	}
	factory.ForResource(gvr).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: note("add"), UpdateFunc: func(_, o interface{}) { note("update")(o) }, DeleteFunc: note("delete")})
	stop := make(chan struct{})
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	cog := &unstructured.Unstructured{Object: map[string]interface{}{"apiVersion": "go.example.com/v1", "kind": "Cog", "metadata": map[string]interface{}{"name": "c"}, "spec": map[string]interface{}{"size": int64(1)}}}
	cogs := d.Resource(gvr).Namespace(ns)
	_, err = cogs.Create(ctx, cog, metav1.CreateOptions{})
	must(err)
	out, err := cogs.Patch(ctx, "c", types.ApplyPatchType, []byte(`{"apiVersion":"go.example.com/v1","kind":"Cog","metadata":{"name":"c"},"spec":{"size":1}}`), metav1.PatchOptions{FieldManager: "go"})
	must(err)
	size, _, _ := unstructured.NestedInt64(out.Object, "spec", "size")
	equal(size, 1)
	_, err = cogs.Patch(ctx, "c", types.MergePatchType, []byte(`{"spec":{"size":2}}`), metav1.PatchOptions{})
	must(err)
	must(cogs.Delete(ctx, "c", metav1.DeleteOptions{}))
	eventually("events", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) > 0 && seen[len(seen)-1] == "delete" })
	close(stop)
	must(d.Resource(crds).Delete(ctx, "cogs.go.example.com", metav1.DeleteOptions{}))
}

func elected(c kubernetes.Interface) {
	lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "leader", Namespace: ns}, Client: c.CoordinationV1(), LockConfig: resourcelock.ResourceLockConfig{Identity: "me"}}
	cctx, cancel := context.WithCancel(ctx)
	led := make(chan bool, 1)
	done := make(chan bool, 1)
	go leaderelection.RunOrDie(cctx, leaderelection.LeaderElectionConfig{Lock: lock, ReleaseOnCancel: true, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond, Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { led <- true }, OnStoppedLeading: func() { done <- true }}})
	<-led
	time.Sleep(600 * time.Millisecond)
	l, err := c.CoordinationV1().Leases(ns).Get(ctx, "leader", metav1.GetOptions{})
	must(err)
	equal(*l.Spec.HolderIdentity, "me")
	cancel()
	<-done
	l, err = c.CoordinationV1().Leases(ns).Get(ctx, "leader", metav1.GetOptions{})
	must(err)
	equal(*l.Spec.HolderIdentity, "")
}

func streamed(c kubernetes.Interface, cfg *rest.Config) {
	pods, err := c.CoreV1().Pods(ns).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
	must(err)
	name := pods.Items[0].Name
	log, err := c.CoreV1().Pods(ns).GetLogs(name, &v1.PodLogOptions{}).Stream(ctx)
	must(err)
	text, err := io.ReadAll(log)
	must(err)
	equal(string(text), "begins\n")
	run := func(in io.Reader, command ...string) (string, string, error) {
		req := c.CoreV1().RESTClient().Post().Resource("pods").Name(name).Namespace(ns).SubResource("exec").VersionedParams(&v1.PodExecOptions{Command: command, Stdin: in != nil, Stdout: true, Stderr: true}, scheme.ParameterCodec)
		ex, err := remotecommand.NewSPDYExecutor(cfg, "POST", req.URL())
		must(err)
		var out, errs strings.Builder
		err = ex.Stream(remotecommand.StreamOptions{Stdin: in, Stdout: &out, Stderr: &errs})
		return out.String(), errs.String(), err
	}
	out, errs, err := run(strings.NewReader("typed\n"), "sh", "-c", "cat; echo err >&2; exit 6")
	equal([]string{out, errs, err.Error()}, []string{"typed\n", "err\n", "command terminated with exit code 6"})
}

func main() {
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must(err)
	cfg.QPS = 100
	cfg.Burst = 200
	proto := rest.CopyConfig(cfg)
	proto.ContentType = "application/vnd.kubernetes.protobuf"
	proto.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	c := kubernetes.NewForConfigOrDie(proto)
	_, err = c.CoreV1().Namespaces().Create(ctx, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
	must(err)
	eventually("account", func() bool {
		_, err := c.CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	for _, step := range []struct {
		name string
		run  func()
	}{{"typed", func() { typed(c) }}, {"informed", func() { informed(c) }}, {"dynamics", func() { dynamics(cfg) }}, {"elected", func() { elected(c) }}, {"streamed", func() { streamed(c, cfg) }}} {
		step.run()
		fmt.Println(step.name)
	}
	must(c.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{}))
}
