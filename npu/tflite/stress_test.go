package tflite
import ("testing";"os";"path/filepath";"strconv")
func TestStress(t *testing.T){ python:=os.Getenv("STRESS"); if python==""{t.Skip()}
 root:=t.TempDir(); var f []string
 for _,c:=range cases { for seed:=range uint64(40) { n:=newNet(1000+seed); c.build(n); dir:=filepath.Join(root,c.name+"-"+strconv.Itoa(int(seed))); writePeerCase(t,dir,n.model(t),3); f=append(f,dir)}}
 runPeer(t,python,append([]string{"--tflm"},f...)...)
}
