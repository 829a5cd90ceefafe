# What programs written with Ruby's kubeclient do: run as `ruby ruby-client.rb KUBECONFIG`, prints one line a step, fails with what differs.
require 'kubeclient'

NAMESPACE = 'ruby'.freeze
CONFIG = Kubeclient::Config.read(ARGV.fetch(0)).context

def client(path, version)
  Kubeclient::Client.new("#{CONFIG.api_endpoint}#{path}", version, ssl_options: CONFIG.ssl_options, auth_options: CONFIG.auth_options)
end

CORE = client('/api', 'v1')
APPS = client('/apis/apps', 'v1')

def equal(seen, wanted)
  raise "saw #{seen.inspect}, wanted #{wanted.inspect}" unless seen == wanted
end

def fails(code)
  yield
rescue Kubeclient::HttpError => error
  equal(error.error_code, code)
  error.message
else
  raise "no failure with #{code}"
end

def eventually(what)
  300.times do
    return if yield
    sleep 0.1
  end
  raise "#{what}: not within 30 s"
end

def map(name, data = {})
  Kubeclient::Resource.new(metadata: { name: name, namespace: NAMESPACE, labels: { from: 'ruby' } }, data: data)
end

def discovery
  CORE.discover
  equal(CORE.respond_to?(:get_pods) && CORE.respond_to?(:create_config_map) && APPS.respond_to?(:get_deployments), true)
  equal(CORE.api['versions'], ['v1'])
  equal(CORE.api_valid?, true)
end

def objects
  equal(CORE.create_config_map(map('a', x: '1')).data.x, '1')
  equal(fails(409) { CORE.create_config_map(map('a')) }, 'configmaps "a" already exists')
  equal(CORE.patch_config_map('a', { data: { y: '2' } }, NAMESPACE).data.to_h, { x: '1', y: '2' })
  equal(CORE.merge_patch_config_map('a', { data: { x: nil } }, NAMESPACE).data.to_h, { y: '2' })
  equal(CORE.json_patch_config_map('a', [{ op: 'add', path: '/data/z', value: '3' }], NAMESPACE).data.to_h, { y: '2', z: '3' })
  fresh = CORE.get_config_map('a', NAMESPACE)
  fresh.data = { w: '4' }
  equal(CORE.update_config_map(fresh).data.to_h, { w: '4' })
  equal(fails(409) { CORE.update_config_map(fresh) }.include?('the object has been modified'), true)
  applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace: NAMESPACE }, data: { k: 'v' } }
  equal(CORE.apply_config_map(applied, field_manager: 'ruby', force: true).data.k, 'v')
  CORE.create_config_map(map('b'))
  first = CORE.get_config_maps(namespace: NAMESPACE, label_selector: 'from=ruby', limit: 1)
  rest = CORE.get_config_maps(namespace: NAMESPACE, label_selector: 'from=ruby', limit: 1, continue: first.continue)
  equal((first.to_a + rest.to_a).map { |one| one.metadata.name }, %w[a b])
  equal(fails(404) { CORE.get_config_map('nope', NAMESPACE) }, 'configmaps "nope" not found')
  CORE.delete_config_map('b', NAMESPACE)
  equal(CORE.get_config_maps(namespace: NAMESPACE, label_selector: 'from=ruby').map { |one| one.metadata.name }, %w[a])
end

def watches
  version = CORE.get_config_maps(namespace: NAMESPACE).resourceVersion
  watcher = CORE.watch_config_maps(namespace: NAMESPACE, label_selector: 'from=ruby', resource_version: version)
  CORE.create_config_map(map('w', n: '0'))
  CORE.merge_patch_config_map('w', { data: { n: '1' } }, NAMESPACE)
  CORE.delete_config_map('w', NAMESPACE)
  seen = []
  watcher.each do |notice|
    seen << [notice.type, notice.object.data.n]
    break if notice.type == 'DELETED'
  end
  watcher.finish
  equal(seen, [%w[ADDED 0], %w[MODIFIED 1], %w[DELETED 1]])
end

def workloads
  template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo begins; sleep 3600'] }] } }
  APPS.create_deployment(Kubeclient::Resource.new(metadata: { name: 'web', namespace: NAMESPACE }, spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template }))
  eventually('a replica is ready') { APPS.get_deployment('web', NAMESPACE).status.readyReplicas == 1 }
  pod = CORE.get_pods(namespace: NAMESPACE, label_selector: 'app=web').first.metadata.name
  eventually('the log') { CORE.get_pod_log(pod, NAMESPACE).to_s == "begins\n" }
  lines = CORE.watch_pod_log(pod, NAMESPACE)
  lines.each do |line|
    equal(line, 'begins')
    break
  end
  lines.finish
  equal(APPS.delete_deployment('web', NAMESPACE, delete_options: { propagationPolicy: 'Foreground' }).metadata.name, 'web')
  eventually('all is gone') { CORE.get_pods(namespace: NAMESPACE, label_selector: 'app=web').empty? }
end

CORE.create_namespace(Kubeclient::Resource.new(metadata: { name: NAMESPACE }))
eventually('the account of the namespace') { CORE.get_service_accounts(namespace: NAMESPACE).any? }
%i[discovery objects watches workloads].each do |step|
  send(step)
  puts step
end
