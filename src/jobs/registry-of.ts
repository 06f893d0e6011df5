/** The registry of an image, as a container runtime reads its name: without one it is Docker Hub. */
export function registryOf (image: string): string {
  const [first = '', ...rest] = image.split('/')
  return rest.length > 0 && (/[.:]/.test(first) || first === 'localhost') ? first : 'docker.io'
}
