package bench
import ("testing";"os";"context";"time"
"github.com/goqat/goqat/backend"
"github.com/goqat/goqat/data"
"github.com/goqat/goqat/nn"
"github.com/goqat/goqat/qat"
"github.com/goqat/goqat/graph"
"github.com/goqat/goqat/target"
"github.com/goqat/goqat/train"
"github.com/stretchr/testify/require"
)
type cb struct{l []float64}
func (c *cb) Step(s train.StepInfo) error { c.l=append(c.l,s.Loss); return nil}
func (c *cb) Epoch(train.EpochInfo) error {return nil}
func TestTry(t *testing.T){
 ctx := context.Background()
 b,_ := backend.Open("cpu")
 set, err := data.Open(ctx,"digits",data.Options{Seed:1,Normalize:true,MaxSamples:3000}); require.NoError(t,err)
 g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1); require.NoError(t,err)
 r := &Report{Title:"real", Created: time.Now(), Machine: ThisMachine(), Data:"digits"}
 c := train.DefaultConfig(); c.Epochs=4; c.Batch=64
 k := &cb{}
 res, err := train.Fit(ctx,g,c,train.Options{Backend:b,Train:set.Train,Val:set.Val,Callbacks:[]train.Callback{k}}); require.NoError(t,err)
 r.Curves=append(r.Curves,Curve{Name:"float",Losses:k.l,Epochs:res.History})
 require.NoError(t,res.State.StoreTo(ctx,g))
 add := func(m,tg string, g *graph.Graph){ s, err := target.OpenGraph(ctx,g,b,1); require.NoError(t,err)
  row, err := Measure(ctx,s,set.Val,Options{MinTime:300*time.Millisecond}); require.NoError(t,err); row.Model,row.Target=m,tg; row.FileBytes=100000; r.Rows=append(r.Rows,row)}
 add("float","cpu",g)
 qc := qat.Default()
 p, err := qat.Prepare(g,qc); require.NoError(t,err)
 st, err := qat.Calibrate(ctx,p,set.Train,qat.DataOptions{Backend:b}); require.NoError(t,err)
 c.Epochs,c.LR=2,c.LR/5
 k = &cb{}
 res, err = train.Fit(ctx,p,c,train.Options{State:st,Train:set.Train,Val:set.Val,Phases:qc.Phases(90),EvalMode:graph.Eval,Callbacks:[]train.Callback{k}}); require.NoError(t,err)
 r.Curves=append(r.Curves,Curve{Name:"qat",Losses:k.l,Epochs:res.History})
 require.NoError(t,st.StoreTo(ctx,p))
 m, err := qat.Convert(ctx,p,qc,b); require.NoError(t,err)
 add("qat W8A8","int8",m.Graph); r.Rows[1].FileBytes=30000
 r.Tensors, err = qat.Analyze(ctx,p,set.Val,qat.DataOptions{State:st,Samples:512}); require.NoError(t,err)
 require.NoError(t, r.WriteFiles("/tmp/rep/real.html","/tmp/rep/real.json"))
 r.WriteTable(os.Stdout)
}
