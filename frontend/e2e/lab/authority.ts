// A certificate authority for one run, and those who are to trust it.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];

export class Authority {
  /** The authority's own certificate, PEM. */
  readonly root: string;

  private constructor(private readonly dir: string) {
    this.root = join(dir, 'authority.pem');
  }

  static async create(dir: string): Promise<Authority> {
    const authority = new Authority(dir);
    await run('openssl', [
      'req', '-x509', ...key, '-subj', '/CN=Porch laboratory',
      '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
      '-keyout', join(dir, 'authority.key'), '-out', authority.root,
    ]); // biome-ignore format: one flag beside its value
    return authority;
  }

  /** Makes a certificate for a host name: the files of it and of its key, PEM. */
  async issue(name: string): Promise<{ certificate: string; key: string }> {
    const files = {
      certificate: join(this.dir, `${name}.pem`),
      key: join(this.dir, `${name}.key`),
    };
    await run('openssl', [
      'req', '-x509', ...key, '-subj', `/CN=${name}`,
      '-CA', this.root, '-CAkey', join(this.dir, 'authority.key'),
      '-addext', `subjectAltName=DNS:${name}`, '-addext', 'basicConstraints=critical,CA:FALSE',
      '-addext', 'extendedKeyUsage=serverAuth',
      '-keyout', files.key, '-out', files.certificate,
    ]); // biome-ignore format: one flag beside its value
    return files;
  }
}

/** Makes a home folder whose Chromium trusts an authority, given by its PEM file. */
export async function trustingHome(dir: string, root: string): Promise<string> {
  const database = join(dir, '.pki', 'nssdb');
  mkdirSync(database, { recursive: true });
  const at = ['-d', `sql:${database}`];
  await run('certutil', [...at, '-N', '--empty-password']);
  await run('certutil', [...at, '-A', '-n', 'Porch laboratory', '-t', 'C,,', '-i', root]);
  return dir;
}
