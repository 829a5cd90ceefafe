import type { Env } from '@orrery/runtime';
import { type ServedService, service } from '@orrery/rpc';
import { type ImageFsInfoResponse, ImageServiceDefinition, type ListImagesRequest, type Image } from '@orrery/proto/cri';
import type { ImageStore } from './image-store.ts';
import { nanoseconds, verboseInfo } from './ids.ts';

/** CRI's image service over a node's image store. */
export function imageService(env: Env, options: { images: ImageStore; imageFsPath: string; writable: () => { bytes: number; inodes: number } }): ServedService {
  const { images, imageFsPath } = options;
  const list = (request: ListImagesRequest): Image[] => {
    const wanted = request.filter?.image?.image;
    const found = wanted ? [images.find(wanted)].filter((image) => image !== undefined) : images.list();
    return found.map((image) => images.describe(image));
  };
  const usage = (bytes: number, inodes: number): NonNullable<ImageFsInfoResponse['imageFilesystems']>[number] => ({
    timestamp: nanoseconds(env.clock.now()),
    fsId: { mountpoint: imageFsPath },
    usedBytes: { value: BigInt(bytes) },
    inodesUsed: { value: BigInt(inodes) },
  });
  return service(ImageServiceDefinition, {
    listImages: async (request) => ({ images: list(request) }),
    async *streamImages(request) {
      yield { images: list(request) };
    },
    async imageStatus(request) {
      const found = images.find(request.image?.image ?? '');
      if (!found) return {};
      const spec = (): unknown => ({ imageSpec: { config: { Env: Object.entries(found.image.env ?? {}).map(([k, v]) => `${k}=${v}`), Entrypoint: found.image.entrypoint, Cmd: found.image.cmd, WorkingDir: found.image.workdir } } });
      return { image: images.describe(found), info: verboseInfo(request.verbose, 'info', spec) };
    },
    async pullImage({ image, auth }) {
      const hasLogin = Boolean((auth?.username && auth.password) || auth?.auth || auth?.identityToken || auth?.registryToken);
      return { imageRef: (await images.pull(image?.image ?? '', hasLogin)).id };
    },
    async removeImage(request) {
      images.remove(request.image?.image ?? '');
      return {};
    },
    async imageFsInfo() {
      const { bytes, inodes } = options.writable();
      return { imageFilesystems: [usage(images.usedBytes, images.list().length * 500)], containerFilesystems: [usage(bytes, inodes)] };
    },
  });
}
