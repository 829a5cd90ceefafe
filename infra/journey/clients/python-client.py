"""What programs written with the Python client do: run as `python3 python-client.py KUBECONFIG`, prints one line a step, fails with what differs."""
import json
import sys
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

NAMESPACE = "python"
config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()
apps = client.AppsV1Api()


def equal(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"saw {seen!r}, wanted {wanted!r}")


def fails(code, reason, call, *args, **options):
    try:
        call(*args, **options)
    except ApiException as error:
        status = json.loads(error.body)
        equal((error.status, status["reason"]), (code, reason))
        return status
    raise AssertionError(f"no failure with {code}")


def eventually(check, what):
    for _ in range(300):
        seen = check()
        if seen:
            return seen
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within 30 s")


def labelled(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"from": "python"}), data=data)


def typed_objects():
    made = core.create_namespaced_config_map(NAMESPACE, labelled("a", x="1"))
    equal((made.data, made.metadata.labels), ({"x": "1"}, {"from": "python"}))
    fails(409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE, labelled("a"))
    equal(core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"y": "2", "x": None}}).data, {"y": "2"})
    equal(core.patch_namespaced_config_map("a", NAMESPACE, [{"op": "add", "path": "/data/z", "value": "3"}]).data, {"y": "2", "z": "3"})
    made.data = {"stale": "yes"}
    fails(409, "Conflict", core.replace_namespaced_config_map, "a", NAMESPACE, made)
    fresh = core.read_namespaced_config_map("a", NAMESPACE)
    fresh.data = {"fresh": "yes"}
    equal(core.replace_namespaced_config_map("a", NAMESPACE, fresh).data, {"fresh": "yes"})
    for name in ("b", "c"):
        core.create_namespaced_config_map(NAMESPACE, labelled(name))
    first = core.list_namespaced_config_map(NAMESPACE, label_selector="from=python", limit=2)
    rest = core.list_namespaced_config_map(NAMESPACE, label_selector="from=python", limit=2, _continue=first.metadata._continue)
    equal([m.metadata.name for m in first.items + rest.items], ["a", "b", "c"])
    equal(fails(404, "NotFound", core.read_namespaced_config_map, "nope", NAMESPACE)["details"], {"name": "nope", "kind": "configmaps"})
    equal(fails(422, "Invalid", core.create_namespaced_config_map, NAMESPACE, labelled("BAD"))["details"]["causes"][0]["field"], "metadata.name")
    equal(core.delete_namespaced_config_map("c", NAMESPACE).status, "Success")
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="from=python")
    equal(core.list_namespaced_config_map(NAMESPACE, label_selector="from=python").items, [])


def workloads():
    container = client.V1Container(name="c", image="nginx", ports=[client.V1ContainerPort(container_port=80)])
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels={"app": "web"}), spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=0))
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels={"app": "web"}), template=template)
    apps.create_namespaced_deployment(NAMESPACE, client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec))
    eventually(lambda: apps.read_namespaced_deployment_status("web", NAMESPACE).status.ready_replicas == 2, "two replicas are ready")
    equal(apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}}).spec.replicas, 1)
    eventually(lambda: len(core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items) == 1, "one pod is left")
    equal(client.AuthorizationV1Api().create_self_subject_access_review({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}).status.allowed, True)
    equal(client.VersionApi().get_code().minor, "36")


def watches():
    seen = []
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version
    core.create_namespaced_config_map(NAMESPACE, labelled("w", n="0"))
    core.patch_namespaced_config_map("w", NAMESPACE, {"data": {"n": "1"}})
    core.delete_namespaced_config_map("w", NAMESPACE)
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_config_map, NAMESPACE, label_selector="from=python", resource_version=version, timeout_seconds=20):
        seen.append((event["type"], event["object"].data))
        if event["type"] == "DELETED":
            watcher.stop()
    equal(seen, [("ADDED", {"n": "0"}), ("MODIFIED", {"n": "1"}), ("DELETED", {"n": "1"})])


def dynamic_objects():
    group = "python.example.com"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
    names = {"plural": "gears", "singular": "gear", "kind": "Gear"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    extensions = client.ApiextensionsV1Api()
    extensions.create_custom_resource_definition({"metadata": {"name": f"gears.{group}"}, "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}})
    custom = client.CustomObjectsApi()
    gear = {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "g"}, "spec": {"size": 1}}

    def served():
        try:
            return custom.list_namespaced_custom_object(group, "v1", NAMESPACE, "gears")
        except ApiException:
            return None

    eventually(served, "the kind is served")
    api = dynamic.DynamicClient(client.ApiClient())
    gears = api.resources.get(api_version=f"{group}/v1", kind="Gear")
    equal(gears.create(body=gear, namespace=NAMESPACE).spec.size, 1)
    equal(gears.patch(body={"metadata": {"name": "g"}, "spec": {"size": 2}}, namespace=NAMESPACE, content_type="application/merge-patch+json").spec.size, 2)
    equal(gears.patch(body=json.dumps({**gear, "spec": {"size": 3}}), namespace=NAMESPACE, name="g", content_type="application/apply-patch+yaml", field_manager="python", force_conflicts=True).spec.size, 3)
    equal([item.spec.size for item in gears.get(namespace=NAMESPACE).items], [3])
    gears.delete(name="g", namespace=NAMESPACE)
    equal(custom.list_namespaced_custom_object(group, "v1", NAMESPACE, "gears")["items"], [])
    equal(api.resources.get(api_version="apps/v1", kind="Deployment").get(name="web", namespace=NAMESPACE).metadata.name, "web")
    extensions.delete_custom_resource_definition(f"gears.{group}")


def streams():
    core.create_namespaced_pod(NAMESPACE, {"metadata": {"name": "shell"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": "busybox", "command": ["sh", "-c", "echo begins; sleep 3600"]}]}})
    eventually(lambda: core.read_namespaced_pod("shell", NAMESPACE).status.phase == "Running", "the pod runs")
    equal(core.read_namespaced_pod_log("shell", NAMESPACE), "begins\n")
    lines = core.read_namespaced_pod_log("shell", NAMESPACE, follow=True, _preload_content=False)
    equal(next(lines.stream()), b"begins\n")
    lines.close()
    run = core.connect_get_namespaced_pod_exec
    equal(stream(run, "shell", NAMESPACE, command=["echo", "hello"], stdout=True, stderr=True), "hello\n")
    shell = stream(run, "shell", NAMESPACE, command=["sh"], stdin=True, stdout=True, stderr=True, _preload_content=False)
    shell.write_stdin("echo out; echo err >&2; exit 4\n")
    shell.run_forever(timeout=20)
    equal((shell.read_stdout(), shell.read_stderr(), shell.returncode), ("out\n", "err\n", 4))
    pod = core.list_namespaced_pod(NAMESPACE, label_selector="app=web").items[0].metadata.name
    forward = portforward(core.connect_get_namespaced_pod_portforward, pod, NAMESPACE, ports="80")
    socket = forward.socket(80)
    socket.setblocking(True)
    socket.settimeout(20)
    socket.sendall(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    answer = b""
    while b"nginx" not in answer:
        part = socket.recv(4096)
        if not part:
            raise AssertionError(f"the port ended after {answer!r}, with {forward.error(80)!r}")
        answer += part
    equal(answer.split(b"\r\n")[0], b"HTTP/1.1 200 OK")
    socket.close()


core.create_namespace({"metadata": {"name": NAMESPACE}})
eventually(lambda: [a for a in core.list_namespaced_service_account(NAMESPACE).items if a.metadata.name == "default"], "the account of the namespace")
for step in (typed_objects, workloads, watches, dynamic_objects, streams):
    step()
    print(step.__name__, flush=True)
