import type { ImageEntry } from '../../fs/image-layer.ts';
import { mimeTypesFile } from './mime-types.ts';

const welcome = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the emulated nginx web server is running in an
Orrery pod and answers from <code>/usr/share/nginx/html</code>.</p>
</body>
</html>
`;

const error50x = `<!DOCTYPE html>
<html>
<head><title>Error</title></head>
<body>
<h1>An error occurred.</h1>
<p>The page you are looking for is currently unavailable. Please try again later.</p>
</body>
</html>
`;

/** nginx.conf as the image has it, by its pid file. */
export const mainConfig = (pid: string, user: string): string => `${user}worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        ${pid};

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';

    sendfile        on;
    keepalive_timeout  65;
    access_log  /var/log/nginx/access.log  main;
    include /etc/nginx/conf.d/*.conf;
}
`;

export const defaultServer = (port: number): string => `server {
    listen       ${port};
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
`;

export const nginxFiles: Readonly<Record<string, ImageEntry>> = {
  '/etc/nginx/nginx.conf': mainConfig('/run/nginx.pid', 'user  nginx;\n'),
  '/etc/nginx/mime.types': mimeTypesFile,
  '/etc/nginx/conf.d/default.conf': defaultServer(80),
  '/usr/share/nginx/html/index.html': welcome,
  '/usr/share/nginx/html/50x.html': error50x,
  '/var/cache/nginx': { directory: true },
  '/var/log/nginx/access.log': { link: '/dev/stdout' },
  '/var/log/nginx/error.log': { link: '/dev/stderr' },
  '/docker-entrypoint.d': { directory: true },
  '/usr/lib/nginx/modules': { directory: true },
  '/etc/nginx/modules': { link: '/usr/lib/nginx/modules' },
};
