/** Both in PEM. */
export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** Signed by itself, for localhost and 127.0.0.1, for a hundred years. It guards nothing but tests. */
export const selfSigned: Certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgReS3jakZEQ93sG4E
leD8s2+KD+AbporPIqfO74pge3+hRANCAAQUftNQpHGppy0k2zh87+o3WHG6423b
md1cFVDizBL6MmhahziSoeHkkHE807CH6UcgeOMAcx8UjDUV/3Rm4EkH
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUVFMP+/4FT6U1/qi9sXOq+sswMsEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEzMzgzN1oYDzIxMjYxMDI4
MTMzODM3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQUftNQpHGppy0k2zh87+o3WHG6423bmd1cFVDizBL6MmhahziSoeHk
kHE807CH6UcgeOMAcx8UjDUV/3Rm4EkHo28wbTAdBgNVHQ4EFgQUqFGvNaLGP7VB
ciSdhn624vAm/GowHwYDVR0jBBgwFoAUqFGvNaLGP7VBciSdhn624vAm/GowDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAOYE/Q3BZ2HWT52Z2h/y8pt7yzqhW80T0+D0iu3nGZuqAiBl
/h+egG5VOPFxgwlOewFemOjwm1scOFQs7LNDSdcxbg==
-----END CERTIFICATE-----`,
}
