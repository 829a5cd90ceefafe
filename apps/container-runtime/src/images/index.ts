import { agnhost, agnhostAliases } from './agnhost/agnhost.ts';
import { alpine, busybox } from './busybox.ts';
import { curlAlpines, curlImage } from './curl.ts';
import type { ImageDefinition } from './define-image.ts';
import { e2eImages } from './e2e-images.ts';
import { etcdImage } from './etcd.ts';
import { echoServerImage, echoTextImage, helloAppImage, httpEchoImage, httpdImage, pythonImage, whoamiImage } from './http-servers.ts';
import { memcached } from './memcached.ts';
import { nginx, nginxUnprivileged } from './nginx/nginx.ts';
import { pause } from './pause.ts';
import { postgres } from './postgres.ts';
import { bitnamiRedis, redis } from './redis/redis.ts';
import { mongo, mysql, rabbitmq } from './stand-ins.ts';
import { resourceConsumer } from './resource-consumer.ts';
import { sampleApiserver } from './sample-apiserver/sample-apiserver.ts';
import { goHttpbin, hpaExample, httpbin, nginxHello } from './web-demos.ts';

/** Every emulated image: one file, one line. */
export const definitions: readonly ImageDefinition[] = [
  pause,
  busybox,
  alpine,
  nginx,
  nginxUnprivileged,
  httpdImage,
  agnhost,
  ...agnhostAliases,
  redis,
  bitnamiRedis,
  postgres,
  memcached,
  mysql,
  mongo,
  rabbitmq,
  httpbin,
  goHttpbin,
  nginxHello,
  hpaExample,
  httpEchoImage,
  whoamiImage,
  helloAppImage,
  echoServerImage,
  echoTextImage,
  pythonImage,
  curlImage,
  curlAlpines,
  ...e2eImages,
  etcdImage,
  sampleApiserver,
  resourceConsumer,
];
